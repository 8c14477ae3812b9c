import { fileURLToPath } from 'node:url';
import { messageOf } from '../../errors/index.ts';
import { readRegularFile, RegularFileError } from '../../platform/index.ts';
import { FetchError } from './errors.ts';

/**
 * The bytes of a file, no more than `most`. Ends with the signal also where the file system does
 * not answer. Rejects with `FetchError` `file-unreadable`, `body-too-large`, or with the reason of
 * the signal.
 */
export async function readSourceFile(url: URL, most: number, signal: AbortSignal): Promise<Uint8Array> {
  const path = fileURLToPath(url);
  try {
    return await untilAborted(readRegularFile(path, most), signal);
  } catch (cause) {
    if (signal.aborted) throw cause;
    if (cause instanceof RegularFileError && cause.code === 'file-too-large')
      throw new FetchError(
        'body-too-large',
        `${path} has more than the ${most} bytes a signed bundle may have`,
      );
    const why = messageOf(cause);
    throw new FetchError('file-unreadable', `the file ${path} could not be read: ${why}`, { cause });
  }
}

/** The system ends a read when it likes; what it gives after the signal is dropped. */
function untilAborted<Value>(reading: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const forget = () => signal.removeEventListener('abort', onAbort);
    reading.then(forget, forget);
  });
  return Promise.race([reading, aborted]);
}
