import { statSync } from 'node:fs';
import { StoreError } from '../model/errors.ts';

/**
 * Remembers which files a database was opened with, and refuses to write when other ones stand at
 * their paths. Because SQLite goes on writing into a file that was removed or replaced, such writes
 * would succeed and be gone after the next start.
 */
export class FileIdentity {
  readonly #path: string;
  readonly #known = new Map<string, string>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Throws `StoreError` `store-replaced` when the file or its log is not the one it was before. */
  check(): void {
    for (const file of [this.#path, `${this.#path}-wal`]) {
      const found = identityOf(file);
      const known = this.#known.get(file);
      if (known === undefined) {
        if (found !== undefined) this.#known.set(file, found);
      } else if (found !== known) {
        throw new StoreError(
          'store-replaced',
          `the file "${file}" was ${found === undefined ? 'removed' : 'replaced'} while the agent runs: what is written now would be gone after the next start`,
        );
      }
    }
  }
}

function identityOf(file: string): string | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}
