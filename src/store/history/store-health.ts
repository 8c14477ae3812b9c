import { statSync } from 'node:fs';
import { openDatabaseForReading } from '../sql/database.ts';
import { storeErrorFrom } from '../sql/sqlite-error.ts';

/** What a quick look at a store file shows. */
export interface StoreFileHealth {
  readonly bytes: number;
  /** What SQLite finds wrong; undefined where the file is too large for a quick look. */
  readonly problems: readonly string[] | undefined;
  readonly newestEventAt: Date | undefined;
}

/**
 * Looks at a store file of the present shape, next to a running agent or after it. Writes nothing.
 * Because the check reads the whole file, a file of more than `maxBytes` is not checked. Throws
 * `StoreError` as `openSqliteStoreForReading` does.
 */
export function readStoreHealth(path: string, maxBytes: number): StoreFileHealth {
  const open = openDatabaseForReading(path);
  try {
    const { database } = open;
    const bytes = statSync(open.path).size;
    const newest = database.prepare<[], string | null>('SELECT max(at) FROM event').pluck().get();
    const rows =
      bytes > maxBytes
        ? undefined
        : (database.pragma('quick_check(10)') as readonly { readonly quick_check: string }[]);
    return {
      bytes,
      problems: rows?.map((row) => row.quick_check).filter((text) => text !== 'ok'),
      newestEventAt: newest == null ? undefined : new Date(newest),
    };
  } catch (error) {
    throw storeErrorFrom(error, open.path);
  } finally {
    open.close();
  }
}
