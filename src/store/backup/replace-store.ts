import { copyFileSync, constants, existsSync, linkSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite from 'better-sqlite3';
import { syncFolder } from '../../platform/index.ts';
import { readShape } from '../sql/migrate.ts';
import { hasLog, markClosed, WalGuard } from '../sql/wal-guard.ts';

/**
 * Puts the complete file `draft` in the place of the store, whose lock the caller holds. Returns the
 * name under which the old store stays; undefined where there was none. Throws the system's error.
 *
 * The order makes every moment safe. First the log of a killed agent goes into the old store, so
 * that the store is one file, and one rename replaces all of it. Where the old store is too damaged
 * for that, a note says first that no log belongs to it. Until the log is gone, an agent then
 * refuses to start (`store-log-foreign`), and does not mix the two.
 */
export async function replaceStore(store: string, draft: string, now: Date): Promise<string | undefined> {
  const folder = dirname(store);
  const isThere = (statSync(store, { throwIfNoEntry: false })?.size ?? 0) > 0;
  const keptAs = isThere || hasLog(store) ? freeName(store, now) : undefined;
  if (keptAs !== undefined) {
    if (isThere) keep(store, keptAs);
    if (hasLog(store)) keep(`${store}-wal`, `${keptAs}-wal`);
    if (settleLog(store)) rmSync(`${keptAs}-wal`, { force: true });
    else markClosed(store);
    await syncFolder(folder);
  }
  renameSync(draft, store);
  await syncFolder(folder);
  for (const end of ['-wal', '-shm']) rmSync(`${store}${end}`, { force: true });
  await syncFolder(folder);
  return keptAs;
}

/** Moves the log into the store as an agent does. Whether the store is one good file now. */
function settleLog(store: string): boolean {
  if (!hasLog(store)) return true;
  let guard: WalGuard | undefined;
  let database: Sqlite.Database | undefined;
  try {
    guard = new WalGuard(store);
    database = new Sqlite(store, { fileMustExist: true });
    readShape(database, store);
    guard.follow(database);
    guard.closing();
    database.close();
    return !hasLog(store);
  } catch {
    // Damaged, of another program, or with the log of another file: no agent starts on it either.
    database?.close();
    return false;
  } finally {
    guard?.closed();
  }
}

/** A name that is free: the time in it says when the store was replaced. */
function freeName(store: string, now: Date): string {
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  for (let number = 1; ; number += 1) {
    const name = `${store}.replaced-${stamp}${number === 1 ? '' : `-${number}`}`;
    if (!existsSync(name) && !existsSync(`${name}-wal`)) return name;
  }
}

/** A second name for the old file. Where the file system has none, a copy. */
function keep(file: string, name: string): void {
  try {
    linkSync(file, name);
  } catch {
    copyFileSync(file, name, constants.COPYFILE_EXCL);
  }
}
