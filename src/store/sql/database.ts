import { chmodSync, existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import type { Clock, Log } from '../../platform/index.ts';
import { StoreError } from '../model/errors.ts';
import type { Compaction } from '../model/store.ts';
import { FileIdentity } from './file-identity.ts';
import { migrate, readShape, SHAPE } from './migrate.ts';
import { storeErrorFrom } from './sqlite-error.ts';
import { createPrivately, lockStore } from './store-lock.ts';
import { refuseForeignLog, WalGuard } from './wal-guard.ts';

/**
 * How long a write waits for another program, such as the sqlite3 prompt, to end a transaction. The
 * process stands still meanwhile.
 */
const BUSY_TIMEOUT_MS = 1000;

/** An open database file that is a store in the present shape. */
export interface OpenDatabase {
  readonly database: Database;
  readonly path: string;
  /** Call this before each write. Throws `StoreError` `store-replaced`. */
  readonly checkFiles: () => void;
  /** Call this after each commit. */
  readonly committed: () => void;
  /** Writes the file again without unused pages. Throws the error of SQLite. */
  readonly compact: () => Compaction;
  readonly close: () => void;
}

/**
 * Opens for reading and writing, as the one agent of this store; see `openSqliteStore` for what it
 * throws.
 */
export function openDatabase(options: {
  readonly path: string;
  readonly create: boolean;
  readonly maxBytes?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}): OpenDatabase {
  const { create, maxBytes, clock, log } = options;
  if (options.path === ':memory:') {
    const database = new Sqlite(':memory:');
    prepare(database, ':memory:', maxBytes);
    return {
      database,
      path: ':memory:',
      checkFiles: () => {},
      committed: () => {},
      compact: () => ({ bytesBefore: 0, bytesAfter: 0 }),
      close: () => void database.close(),
    };
  }
  const path = canonicalPath(options.path);
  return translating(path, () => {
    if (!create && isMissing(path)) throw missing(path);
    // Locks before it creates or changes anything, so that two first starts at once do not both do
    // it.
    const lock = lockStore(path, clock);
    let database: Database | undefined;
    let guard: WalGuard | undefined;
    try {
      if (createPrivately(path)) log.info('store created', { path });
      guard = new WalGuard(path);
      database = new Sqlite(path, { timeout: BUSY_TIMEOUT_MS, fileMustExist: true });
      readShape(database, path);
      keepPrivate(path, log);
      for (const step of prepare(database, path, maxBytes)) {
        log.info('store converted to a newer shape', { path, shape: step.number, name: step.name });
      }
      guard.follow(database);
      // SQLite opens a file that it may not write for reading, and reports that only at the first
      // change. So change something here, and undo it.
      database.exec(`BEGIN IMMEDIATE; PRAGMA user_version = ${SHAPE}; ROLLBACK`);
    } catch (error) {
      database?.close();
      guard?.closed();
      lock.release();
      throw error;
    }
    const [opened, logGuard] = [database, guard];
    const files = new FileIdentity(path);
    files.check();
    return {
      database,
      path,
      checkFiles: () => files.check(),
      committed: () => logGuard.committed(),
      compact: () => {
        logGuard.empty();
        const bytesBefore = bytesOf(path);
        opened.exec('VACUUM');
        logGuard.empty();
        return { bytesBefore, bytesAfter: bytesOf(path) };
      },
      close: () => {
        logGuard.closing();
        opened.close();
        logGuard.closed();
        lock.release();
      },
    };
  });
}

/**
 * Opens for reading only, without the lock: next to a running agent or after it. See
 * `openSqliteStoreForReading`.
 */
export function openDatabaseForReading(path: string): OpenDatabase {
  const real = canonicalPath(path);
  return translating(real, () => {
    if (isMissing(real)) throw missing(real);
    refuseForeignLog(real);
    const database = new Sqlite(real, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    try {
      const shape = readShape(database, real);
      if (shape < SHAPE) {
        throw new StoreError(
          'store-older',
          `the store ${real} has shape ${shape}, this version of Federate reads ${SHAPE}: start the agent once, which converts it`,
        );
      }
      guard(database);
    } catch (error) {
      database.close();
      throw error;
    }
    return {
      database,
      path: real,
      checkFiles: () => {},
      committed: () => {},
      compact: () => {
        throw new TypeError('a store that is open for reading is not compacted');
      },
      close: () => void database.close(),
    };
  });
}

/** The size of the file and its log. */
function bytesOf(path: string): number {
  return [path, `${path}-wal`]
    .map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0);
}

function prepare(database: Database, path: string, maxBytes: number | undefined) {
  // WAL allows reading at any moment; FULL makes every acknowledged commit survive a power cut.
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  guard(database);
  const steps = migrate(database, path);
  if (maxBytes !== undefined) {
    const pageSize = Number(database.pragma('page_size', { simple: true }));
    database.pragma(`max_page_count = ${Math.max(1, Math.floor(maxBytes / pageSize))}`);
  }
  return steps;
}

function guard(database: Database): void {
  database.pragma('foreign_keys = ON');
  // A manipulated file must not run our functions from its schema.
  database.pragma('trusted_schema = OFF');
  database.pragma('cell_size_check = ON');
}

/**
 * Opens a store of any shape that we know for reading only, without the lock, to copy it. See
 * `openSqliteStoreForReading` for what it throws.
 */
export function openDatabaseToCopy(path: string): { readonly database: Database; readonly path: string } {
  const real = canonicalPath(path);
  return translating(real, () => {
    if (isMissing(real)) throw missing(real);
    refuseForeignLog(real);
    const database = new Sqlite(real, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    try {
      readShape(database, real);
      guard(database);
      return { database, path: real };
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/**
 * One path per file, whichever link led to it, so that there is also one lock. Throws `StoreError`
 * `store-missing` for a folder that is not there, `store-not-a-store` for a folder in its place.
 */
export function canonicalPath(path: string): string {
  return translating(path, () => resolvedPath(path));
}

function resolvedPath(path: string): string {
  const absolute = resolve(path);
  // better-sqlite3 trims names, so a name with a blank at the end would become another file.
  if (absolute !== absolute.trim()) throw new TypeError('the path of a store cannot end with a space');
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory())
    throw new StoreError('store-not-a-store', `${absolute} is a folder; a store is a file in one`);
  if (existsSync(absolute)) return realpathSync(absolute);
  if (!existsSync(dirname(absolute))) {
    throw new StoreError('store-missing', `the folder ${dirname(absolute)} of the store does not exist`);
  }
  return join(realpathSync(dirname(absolute)), basename(absolute));
}

/**
 * Whether there is no store yet. An empty file counts as none: a first start that was killed at
 * once leaves one.
 */
function isMissing(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

function missing(path: string): StoreError {
  return new StoreError(
    'store-missing',
    `there is no store at ${path}; only the agent's first start creates one`,
  );
}

/** Removes the access of group and others from the file and its companions. */
function keepPrivate(path: string, log: Log): void {
  const open = [path, `${path}-wal`, `${path}-shm`].filter(
    (file) => ((statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0,
  );
  for (const file of open) chmodSync(file, 0o600);
  if (open.length > 0) log.warn('store was readable by other users, removed their access', { path });
}

export function translating<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storeErrorFrom(error, path);
  }
}
