import Sqlite from 'better-sqlite3';
import { silentLog } from '../../src/platform/index.ts';
import { openSqliteStore, type SqliteStoreOptions, type Store } from '../../src/store/index.ts';
import { TestClock } from '../support/test-clock.ts';
import { start } from './sample-bundles.ts';

/** A SQLite store at `path`, made if it is missing, with a clock that stands still. */
export function openAt(path: string, rest: Partial<SqliteStoreOptions> = {}): Promise<Store> {
  return openSqliteStore({ path, create: true, clock: new TestClock(start), log: silentLog, ...rest });
}

/** The file as a person at the sqlite3 prompt has it, with our triggers and nothing else in the way. */
export function openRaw(path: string): Sqlite.Database {
  return new Sqlite(path, { fileMustExist: true });
}
