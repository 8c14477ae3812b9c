import { readRegularText } from '../../platform/index.ts';
import { MeshAdapterError } from './errors.ts';

/**
 * The text of a file with a token or with CA certificates. It is read for every request, because
 * such files are replaced. Throws `MeshAdapterError` `credentials-unusable`.
 */
export async function readCredentials(kind: 'token' | 'CA', path: string): Promise<string> {
  try {
    return (await readRegularText(path)).trim();
  } catch (cause) {
    throw new MeshAdapterError(
      'credentials-unusable',
      `${kind} file ${JSON.stringify(path)} could not be read`,
      { cause },
    );
  }
}
