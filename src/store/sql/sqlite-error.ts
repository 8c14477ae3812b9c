import Sqlite from 'better-sqlite3';
import { StoreError, type StoreErrorCode } from '../model/errors.ts';

/**
 * What SQLite reports, in the store's words, with the original as `cause`. Anything that does not
 * come from SQLite or the file system is given back as it is: a mistake of the program must stay
 * one.
 */
export function storeErrorFrom(error: unknown, path: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  if (!('code' in error) || typeof error.code !== 'string') return error;
  if (!(error instanceof Sqlite.SqliteError) && !('syscall' in error)) return error;
  const [code, what] = explain(error.code);
  return new StoreError(code, `the store ${path} ${what} (${error.code}: ${error.message})`, {
    cause: error,
  });
}

function explain(code: string): [StoreErrorCode, string] {
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT') {
    return ['store-full', 'has no room to grow; nothing was written, what was there stays'];
  }
  if (code.startsWith('SQLITE_READONLY') || code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return [
      'store-read-only',
      'cannot be written: look at the owner and mode of the file, its folder and disk',
    ];
  }
  if (code === 'SQLITE_NOTADB') return ['store-not-a-store', 'is not an SQLite file'];
  if (code.startsWith('SQLITE_CORRUPT')) return ['store-corrupt', 'is damaged; restore it from a backup'];
  if (code.startsWith('SQLITE_BUSY')) {
    return ['store-busy', 'is being written by somebody else, perhaps at the sqlite3 prompt'];
  }
  return ['store-failed', 'could not be used'];
}
