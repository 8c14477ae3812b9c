import { readRegularText } from '../../platform/index.ts';
import { MeshAdapterError } from './errors.ts';

/**
 * The CA certificates of a server in a PEM file, read for every request because CAs are replaced.
 * Throws `MeshAdapterError` `credentials-unusable`.
 */
export async function readCaFile(path: string): Promise<string> {
  try {
    return await readRegularText(path);
  } catch (cause) {
    throw new MeshAdapterError('credentials-unusable', `CA file ${JSON.stringify(path)} could not be read`, {
      cause,
    });
  }
}
