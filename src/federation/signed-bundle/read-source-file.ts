import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FetchError } from '../errors.ts';

/** The bytes of a file, no more than `most`. Rejects with `FetchError` `file-unreadable`, `body-too-large`. */
export async function readSourceFile(url: URL, most: number): Promise<Uint8Array> {
  const path = fileURLToPath(url);
  try {
    const file = await open(path, 'r');
    try {
      const stats = await file.stat();
      // A pipe or a device may never end.
      if (!stats.isFile()) throw new FetchError('file-unreadable', `${path} is no regular file`);
      const bytes = Buffer.alloc(Math.min(stats.size, most) + 1);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      if (bytesRead > most)
        throw new FetchError(
          'body-too-large',
          `${path} has more than the ${most} bytes a signed bundle may have`,
        );
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof FetchError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FetchError('file-unreadable', `the file ${path} could not be read: ${why}`, { cause });
  }
}
