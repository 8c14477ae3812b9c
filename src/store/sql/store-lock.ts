import { closeSync, openSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { hasCode } from '../../errors/index.ts';
import type { Clock } from '../../platform/index.ts';
import { StoreError } from '../model/errors.ts';

/** Long enough for two agents that start at the same moment to let each other finish a step. */
const RACE_TIMEOUT_MS = 250;

/**
 * Keeps a second agent off a store until `release` is called or this process ends. The lock is
 * SQLite's own write lock on a small file next to the store, so it ends with the process in every
 * case. The store itself stays open to readers. Throws `StoreError` `store-locked`, naming the
 * holder's process.
 *
 * Nothing in this process may open the lock file by other means, because closing any descriptor of
 * it would drop the lock (POSIX).
 */
export function lockStore(storePath: string, clock: Clock): { release(): void } {
  const path = `${storePath}.lock`;
  createPrivately(path);
  const since = clock.now().toISOString();
  const lock = new Sqlite(path, { timeout: RACE_TIMEOUT_MS });
  try {
    // Two steps, so that a refused agent can read who holds the lock: commit the name first, then
    // lock for good.
    for (let attempt = 1; ; attempt += 1) {
      const signed = signIn(lock, since);
      lock.exec('BEGIN IMMEDIATE');
      // Another agent may have written its name in between and lost. The stored name has to be the
      // holder's.
      const holder = holderOf(lock);
      if (!signed || attempt === 5 || (holder?.pid === process.pid && holder.since === since)) break;
      lock.exec('ROLLBACK');
    }
  } catch (error) {
    const busy = error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
    const refusal = busy ? locked(storePath, holderOf(lock), error) : error;
    lock.close();
    throw refusal;
  }
  return { release: () => void lock.close() };
}

/**
 * False on a full disk. Because a full disk must not keep an agent from starting with the trust it
 * has, it then locks without a name.
 */
function signIn(lock: Sqlite.Database, since: string): boolean {
  try {
    lock
      .transaction(() => {
        lock.exec(
          'CREATE TABLE IF NOT EXISTS holder (id INTEGER PRIMARY KEY CHECK (id = 1), pid INTEGER, since TEXT) STRICT',
        );
        lock
          .prepare('INSERT OR REPLACE INTO holder (id, pid, since) VALUES (1, ?, ?)')
          .run(process.pid, since);
      })
      .immediate();
    return true;
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && error.code === 'SQLITE_FULL') return false;
    throw error;
  }
}

/**
 * Creates the file with mode 0600 from its first moment. An existing file is not changed and not
 * even opened.
 */
export function createPrivately(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

interface Holder {
  readonly pid: number;
  readonly since: string;
}

/** The holder of the lock, if it can be read at this moment. */
function holderOf(lock: Sqlite.Database): Holder | undefined {
  try {
    return lock.prepare<[], Holder>('SELECT pid, since FROM holder').get();
  } catch {
    // The holder is writing its name right now. The refusal does not need it.
    return undefined;
  }
}

function locked(storePath: string, holder: Holder | undefined, cause: unknown): StoreError {
  const who = holder ? `pid ${holder.pid}, since ${holder.since}` : 'starting right now';
  return new StoreError(
    'store-locked',
    `the store ${storePath} is in use by another agent (${who}); one store serves one agent`,
    { cause },
  );
}
