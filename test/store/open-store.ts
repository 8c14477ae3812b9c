import Sqlite from 'better-sqlite3';
import { silentLog } from '../../src/platform/index.ts';
import { openSqliteStore, type SqliteStoreOptions, type Store } from '../../src/store/index.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { start } from './sample-bundles.ts';

/** A SQLite store at `path`, created if it is missing, with a stopped clock. */
export function openAt(path: string, rest: Partial<SqliteStoreOptions> = {}): Promise<Store> {
  return openSqliteStore({ path, create: true, clock: new TestClock(start), log: silentLog, ...rest });
}

/** The file as the sqlite3 program opens it, with our triggers and no other protection. */
export function openRaw(path: string): Sqlite.Database {
  return new Sqlite(path, { fileMustExist: true });
}
