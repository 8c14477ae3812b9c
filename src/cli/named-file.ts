import { closeSync, openSync } from 'node:fs';
import { messageOf } from '../errors/index.ts';
import { readRegularFileSync, readToEndSync } from '../platform/index.ts';
import { UsageError } from './terminal.ts';

/** More than any bundle, chain or token; a larger file is a mistake in the path. */
const MAX_BYTES = 16 * 1024 * 1024;
/** How a shell hands over the output of another command: `<(command)`. */
const HANDED_OVER = /^\/dev\/(?:stdin|fd\/\d+)$/;

/**
 * A file named on the command line: `-` is standard input, and `/dev/fd/N` what a shell hands over.
 * Anything else must be a regular file, so that a FIFO does not keep the command waiting. Throws
 * `UsageError`.
 */
export function readNamedFile(file: string, option: string, maxBytes = MAX_BYTES): Buffer {
  try {
    if (file === '-') return readToEndSync(0, 'standard input', maxBytes);
    return HANDED_OVER.test(file) ? readHandedOver(file, maxBytes) : readRegularFileSync(file, maxBytes);
  } catch (cause) {
    const why = messageOf(cause);
    throw new UsageError(`reading the file of ${option} failed: ${why}`, { cause });
  }
}

/** The same, as UTF-8 text. */
export function readText(file: string, option: string): string {
  return readNamedFile(file, option).toString('utf8');
}

function readHandedOver(path: string, maxBytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    return readToEndSync(file, path, maxBytes);
  } finally {
    closeSync(file);
  }
}
