import { hasCode } from '../../errors/index.ts';
import { readRegularFile } from '../../platform/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';

/**
 * A whole regular file of at most `maxBytes`, or undefined where there is none. Throws
 * `MeshAdapterError` `file-unreadable`.
 */
export async function readBoundedFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  try {
    return await readRegularFile(path, maxBytes);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined;
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    throw new MeshAdapterError('file-unreadable', `${JSON.stringify(path)} could not be read${why}`, {
      cause,
    });
  }
}
