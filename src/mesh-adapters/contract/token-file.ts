import { readRegularText } from '../../platform/index.ts';
import { MeshAdapterError } from './errors.ts';

/**
 * The token in a file, read for every request because tokens are replaced. Throws
 * `MeshAdapterError` `credentials-unusable`.
 */
export async function readTokenFile(path: string): Promise<string> {
  try {
    return (await readRegularText(path)).trim();
  } catch (cause) {
    throw new MeshAdapterError(
      'credentials-unusable',
      `token file ${JSON.stringify(path)} could not be read`,
      { cause },
    );
  }
}
