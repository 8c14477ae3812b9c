import Sqlite from 'better-sqlite3';
import { StoreError, type StoreErrorCode } from '../model/errors.ts';

/**
 * Translates an error of SQLite to a `StoreError`, with the original as `cause`. Any other error is
 * returned unchanged, because a bug must stay visible as one.
 */
export function storeErrorFrom(error: unknown, path: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  if (!('code' in error) || typeof error.code !== 'string') return error;
  if (error.code === 'ERR_DLOPEN_FAILED' || error.code === 'MODULE_NOT_FOUND') return engineUnusable(error);
  if (!(error instanceof Sqlite.SqliteError) && !('syscall' in error)) return error;
  const [code, what] = explain(error.code);
  return new StoreError(code, `the store ${path} ${what} (${error.code}: ${error.message})`, {
    cause: error,
  });
}

/** The native code of better-sqlite3 is for another machine or C library, or it is missing. */
function engineUnusable(cause: Error): StoreError {
  const [reason = ''] = cause.message.split('\n');
  return new StoreError(
    'store-engine-unusable',
    `the native code of better-sqlite3 does not load on ${process.platform}-${process.arch}: ${reason}`,
    { cause },
  );
}

function explain(code: string): [StoreErrorCode, string] {
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT') {
    return ['store-full', 'has no room to grow; nothing was written, what was there stays'];
  }
  if (code.startsWith('SQLITE_READONLY') || code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return [
      'store-read-only',
      'cannot be opened or written: check the owner and mode of the file, its folder and disk',
    ];
  }
  if (code.startsWith('SQLITE_CANTOPEN')) {
    return ['store-failed', 'could not be opened: check the rights to the file and its folder'];
  }
  if (code === 'SQLITE_NOTADB') return ['store-not-a-store', 'is not an SQLite file'];
  if (code.startsWith('SQLITE_CORRUPT')) return ['store-corrupt', 'is damaged; restore it from a backup'];
  if (code.startsWith('SQLITE_BUSY')) {
    return ['store-busy', 'is being written by another program, perhaps the sqlite3 prompt'];
  }
  return ['store-failed', 'could not be used'];
}
