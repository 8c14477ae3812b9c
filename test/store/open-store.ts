import Sqlite from 'better-sqlite3';

/** The file as the sqlite3 program opens it, with our triggers and no other protection. */
export function openRaw(path: string): Sqlite.Database {
  return new Sqlite(path, { fileMustExist: true });
}
