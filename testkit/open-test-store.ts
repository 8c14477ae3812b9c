import { silentLog } from '../src/platform/index.ts';
import { openSqliteStore, type SqliteStoreOptions, type Store } from '../src/store/index.ts';
import { TEST_INSTANT } from './test-ca.ts';
import { TestClock } from './test-clock.ts';

/**
 * Opens the product's SQLite store, created if it is missing, with a stopped clock. It is in memory
 * unless a `path` is given.
 */
export function openTestStore(options: Partial<SqliteStoreOptions> = {}): Promise<Store> {
  return openSqliteStore({
    path: ':memory:',
    create: true,
    clock: new TestClock(TEST_INSTANT),
    log: silentLog,
    ...options,
  });
}
