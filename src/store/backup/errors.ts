import { CodedError } from '../../errors/index.ts';

/**
 * Why a backup was not made or not restored. Nothing is lost, and no half file stays.
 *
 * - `backup-onto-store` the file of the backup is the store, or one of the files next to it
 * - `backup-exists` the file of the backup is there already
 * - `backup-place-unusable` the file of the backup cannot be there: a folder, a missing folder
 * - `backup-not-writable` this user has no right to write there
 * - `backup-no-room` the disk, or the limit of this process, has no room for it
 * - `backup-missing` there is no backup to restore
 * - `backup-not-readable` this user has no right to read the backup
 * - `backup-not-a-backup` the file is not a store of Federate
 * - `backup-damaged` the copy, or the backup, is a damaged SQLite file
 * - `backup-unsound` the history in the backup is not what was written
 * - `backup-digest-differs` the backup has another SHA-256 than expected
 * - `backup-of-another-trust-domain` the backup belongs to another trust domain than the store
 * - `backup-failed` the disk or SQLite failed in another way
 */
export type BackupErrorCode =
  | 'backup-onto-store'
  | 'backup-exists'
  | 'backup-place-unusable'
  | 'backup-not-writable'
  | 'backup-no-room'
  | 'backup-missing'
  | 'backup-not-readable'
  | 'backup-not-a-backup'
  | 'backup-damaged'
  | 'backup-unsound'
  | 'backup-digest-differs'
  | 'backup-of-another-trust-domain'
  | 'backup-failed';

/** A backup was not made, or not restored. */
export class BackupError extends CodedError<BackupErrorCode> {}

const NO_ROOM: ReadonlySet<string> = new Set([
  'SQLITE_FULL',
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'SQLITE_IOERR_WRITE',
]);
const NO_RIGHT = /^(?:EACCES|EPERM|EROFS|SQLITE_READONLY.*|SQLITE_CANTOPEN.*|SQLITE_PERM)$/;

/**
 * Translates an error of SQLite or of the system that arose while `path` was written. Returns any
 * other error as it is.
 */
export function writingError(error: unknown, path: string): unknown {
  if (error instanceof CodedError || !(error instanceof Error)) return error;
  if (!('code' in error) || typeof error.code !== 'string') return error;
  const { code, message: cause } = error;
  const refuse = (as: BackupErrorCode, what: string) =>
    new BackupError(as, `${JSON.stringify(path)} ${what} (${code}: ${cause})`, { cause: error });
  if (NO_ROOM.has(code)) return refuse('backup-no-room', 'has no room; what was there before is unchanged');
  if (NO_RIGHT.test(code)) return refuse('backup-not-writable', 'cannot be written by this user');
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return refuse('backup-place-unusable', 'cannot be written: its folder does not exist');
  return /^(?:SQLITE_|E[A-Z]+$)/.test(code) ? refuse('backup-failed', 'could not be written') : error;
}
