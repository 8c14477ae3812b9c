import { stat } from 'node:fs/promises';
import { readRegularText } from './regular-file.ts';

const GROUP_OR_OTHERS = 0o077;

/** Why a file with a secret is not read: others than its owner may open it. */
export class SecretFileError extends Error {
  readonly code = 'file-open-to-others';

  constructor(path: string, mode: number) {
    const shown = (mode & 0o777).toString(8).padStart(4, '0');
    super(`${JSON.stringify(path)} may be opened by others than its owner (mode ${shown}): chmod 600`);
    this.name = 'SecretFileError';
  }
}

/**
 * Rejects with `SecretFileError` where others than its owner may open a file, or with the system's
 * own error.
 */
export async function refuseOpenMode(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & GROUP_OR_OTHERS) !== 0) throw new SecretFileError(path, mode);
}

/**
 * The text of a file that only its owner may open (mode 0600). Rejects as `refuseOpenMode` and
 * `readRegularText` do.
 */
export async function readSecretText(path: string, maxBytes: number): Promise<string> {
  await refuseOpenMode(path);
  return readRegularText(path, maxBytes);
}
