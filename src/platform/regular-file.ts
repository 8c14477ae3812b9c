import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { hasCode } from '../errors/index.ts';

/** Why a file is not read: it is something else than a regular file, or larger than it may be. */
export class RegularFileError extends Error {
  readonly code: 'file-not-regular' | 'file-too-large';

  constructor(code: RegularFileError['code'], message: string) {
    super(message);
    this.name = 'RegularFileError';
    this.code = code;
  }
}

/** Enough for certificates, keys, tokens and kubeconfigs. */
const MAX_FILE_BYTES = 1024 * 1024;

const CHUNK_BYTES = 65_536;

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * A whole regular file of at most `maxBytes`. Never waits for a writer. A FIFO, a socket or a
 * device in the place of a file would hold the reader for ever. So it is opened without blocking,
 * and anything but a regular file is refused. Symbolic links are followed, as Kubernetes needs it.
 * Rejects with `RegularFileError`, or with the system's own error (`ENOENT`, `EACCES`, …).
 */
export async function readRegularFile(path: string, maxBytes = MAX_FILE_BYTES): Promise<Buffer> {
  const file = await open(path, FLAGS).catch((error: unknown) => {
    throw isSocket(error) ? notRegular(path) : error;
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw notRegular(path);
    if (stats.size > maxBytes) throw tooLarge(path, maxBytes);
    // The size is not relied on: the file may grow, and those of /proc have none.
    const chunks: Buffer[] = [];
    let length = 0;
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES);
      if (bytesRead === 0) return Buffer.concat(chunks, length);
      length += bytesRead;
      if (length > maxBytes) throw tooLarge(path, maxBytes);
      chunks.push(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** The same, as UTF-8 text. */
export async function readRegularText(path: string, maxBytes = MAX_FILE_BYTES): Promise<string> {
  return (await readRegularFile(path, maxBytes)).toString('utf8');
}

/**
 * The same as `readRegularFile`, in one go: for what a process reads before it does anything else.
 */
export function readRegularFileSync(path: string, maxBytes = MAX_FILE_BYTES): Buffer {
  let file: number;
  try {
    file = openSync(path, FLAGS);
  } catch (error) {
    throw isSocket(error) ? notRegular(path) : error;
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw notRegular(path);
    if (stats.size > maxBytes) throw tooLarge(path, maxBytes);
    return readToEndSync(file, path, maxBytes);
  } finally {
    closeSync(file);
  }
}

/**
 * Everything up to the end of an open file, which may be a pipe or a terminal, at most `maxBytes`.
 * Waits for its writer. `name` is what an error calls it. Throws `RegularFileError`
 * `file-too-large`, or the system's own error.
 */
export function readToEndSync(file: number, name: string, maxBytes = MAX_FILE_BYTES): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    const bytesRead = readSync(file, chunk);
    if (bytesRead === 0) return Buffer.concat(chunks, length);
    length += bytesRead;
    if (length > maxBytes) throw tooLarge(name, maxBytes);
    chunks.push(chunk.subarray(0, bytesRead));
  }
}

/** How Linux refuses to open a socket. */
function isSocket(error: unknown): boolean {
  return hasCode(error, 'ENXIO');
}

function notRegular(path: string): RegularFileError {
  return new RegularFileError('file-not-regular', `${JSON.stringify(path)} is not a regular file`);
}

function tooLarge(path: string, maxBytes: number): RegularFileError {
  return new RegularFileError('file-too-large', `${JSON.stringify(path)} is larger than ${maxBytes} bytes`);
}
