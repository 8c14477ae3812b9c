import { open } from 'node:fs/promises';
import { MeshAdapterError } from '../errors.ts';

const CHUNK_BYTES = 65_536;

/** A whole file of at most `maxBytes`, or undefined where there is none. Throws `MeshAdapterError` `file-unreadable`. */
export async function readBoundedFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const chunks: Buffer[] = [];
      let length = 0;
      for (;;) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES);
        if (bytesRead === 0) return Buffer.concat(chunks);
        length += bytesRead;
        if (length > maxBytes) throw new RangeError(`it is longer than ${maxBytes} bytes`);
        chunks.push(buffer.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new MeshAdapterError('file-unreadable', `${JSON.stringify(path)} could not be read`, { cause });
  }
}
