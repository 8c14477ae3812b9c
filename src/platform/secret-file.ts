import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { readRegularText } from './regular-file.ts';

const GROUP_OR_OTHERS = 0o077;
const GROUP_READS = 0o040;
const ROOT = 0;

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
 * own error. A file that root gives this process through its group is its own as well.
 */
export async function refuseOpenMode(path: string): Promise<void> {
  const file = await stat(path);
  const isOpen = (file.mode & GROUP_OR_OTHERS) !== 0;
  if (isOpen && !isGivenByRoot(file)) throw new SecretFileError(path, file.mode);
}

/**
 * Whether root owns a file that a group of this process may read and no group may write. Kubernetes
 * mounts a Secret so for a user that is not root (`fsGroup`). Files of `root:ssl-cert` are so, too.
 */
export function isGivenByRoot(
  file: Pick<Stats, 'mode' | 'uid' | 'gid'>,
  user: Pick<NodeJS.Process, 'geteuid' | 'getegid' | 'getgroups'> = process,
): boolean {
  if (file.uid !== ROOT || user.geteuid?.() === ROOT) return false;
  if ((file.mode & GROUP_OR_OTHERS) !== GROUP_READS) return false;
  return user.getegid?.() === file.gid || user.getgroups?.().includes(file.gid) === true;
}

/**
 * The text of a file that only its owner may open (mode 0600). Rejects as `refuseOpenMode` and
 * `readRegularText` do.
 */
export async function readSecretText(path: string, maxBytes: number): Promise<string> {
  await refuseOpenMode(path);
  return readRegularText(path, maxBytes);
}
