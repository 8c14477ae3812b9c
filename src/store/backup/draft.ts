import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A private file next to the one that it is to become. */
export interface Draft extends AsyncDisposable {
  readonly path: string;
  /** Makes the content survive a power cut. */
  sync(): Promise<void>;
}

/**
 * Creates an empty draft for `path`, mode 0600, in the same folder. Disposing of it removes it with
 * everything that SQLite put next to it. Throws the system's own error.
 */
export function createDraft(path: string): Draft {
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  closeSync(openSync(draft, 'wx', 0o600));
  return {
    path: draft,
    sync: async () => {
      const file = await open(draft, 'r');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const end of ['', '-journal', '-wal', '-shm']) await rm(`${draft}${end}`, { force: true });
    },
  };
}
