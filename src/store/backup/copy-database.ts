import type { Database } from 'better-sqlite3';
import Sqlite from 'better-sqlite3';

/** Pages that are copied before other work gets its turn; a megabyte. */
const PAGES_AT_ONCE = 256;

/** How far a copy is. */
export type CopyProgress = (step: {
  readonly step: 'copying' | 'verifying';
  /** Of the pages that are copied. */
  readonly done: number;
  readonly total: number;
}) => void;

/**
 * Copies the database behind `source`, as it is at this moment, into the file `target`, which may be
 * empty. An agent may go on writing meanwhile: because the copy is made in one read transaction, it
 * does not see that, and never begins again. The copy is one file without a log. Rejects with the
 * error of SQLite, or with the reason of `signal`.
 */
export async function copyDatabase(
  source: Database,
  target: string,
  { onProgress, signal }: { readonly onProgress: CopyProgress; readonly signal: AbortSignal },
): Promise<void> {
  source.exec('BEGIN');
  try {
    source.prepare('SELECT count(*) FROM sqlite_schema').get();
    await source.backup(target, {
      progress: ({ totalPages, remainingPages }) => {
        signal.throwIfAborted();
        onProgress({ step: 'copying', done: totalPages - remainingPages, total: totalPages });
        return PAGES_AT_ONCE;
      },
    });
  } finally {
    source.exec('ROLLBACK');
  }
  signal.throwIfAborted();
  leaveLogMode(target);
}

/** Turns a copy into one file that can be read in a folder that cannot be written. */
export function leaveLogMode(path: string): void {
  const copy = new Sqlite(path, { fileMustExist: true });
  try {
    copy.pragma('journal_mode = DELETE');
  } finally {
    copy.close();
  }
}
