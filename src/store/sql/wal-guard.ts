import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { StoreError } from '../model/errors.ts';
import { createPrivately } from './store-lock.ts';

/** A write-ahead log of this many bytes holds its header and no frame. */
const EMPTY_WAL_BYTES = 32;
/**
 * Most pages in the log, roughly, before a checkpoint. A log of one megabyte is soon overwritten
 * from its start.
 */
const CHECKPOINT_FRAMES = 256;
const [FEWEST_COMMITS, MOST_COMMITS] = [8, 512];
/** The note is overwritten in place, which works on a full disk too. */
const NOTE_BYTES = 256;

/**
 * A checkpoint is under way · the file is as noted, and a log may continue it · closed in order,
 * without a log.
 */
type NoteState = 'checkpoint' | 'open' | 'closed';

/** Size and time of the database file when its log alone began to be written. */
interface FileMark {
  readonly size: string;
  readonly mtime_ns: string;
}

/**
 * Ties the write-ahead log to the database file that it continues. SQLite does not do that: it
 * replays any log next to a file. A backup copied over the file, next to the log of a killed agent,
 * would silently get newer rows.
 *
 * In an open store only checkpoints write into the file itself. They are made here and nowhere
 * else, each between two notes in `<store>.state`. The first note says that a checkpoint is under
 * way. The second gives the size and the time of change of the file after it. A log with frames
 * does not belong to a file that differs from the note. A store that was closed in order has no
 * log. Without a note nothing is known, and nothing is refused.
 *
 * No descriptor of the database file may be closed while SQLite has it open, because that would
 * drop SQLite's locks (POSIX).
 */
export class WalGuard {
  readonly #path: string;
  readonly #note: number;
  readonly #file: number;
  #database: Database | undefined;
  #commits = 0;
  #commitsPerCheckpoint = FEWEST_COMMITS;

  /**
   * Checks the log. Call this with the store's lock held and before SQLite opens the file. Throws
   * `StoreError` `store-log-foreign`.
   */
  constructor(path: string) {
    refuseForeignLog(path);
    this.#path = path;
    createPrivately(noteFile(path));
    this.#note = openSync(noteFile(path), 'r+');
    this.#file = openSync(path, 'r');
    this.#write('checkpoint');
  }

  /** SQLite has opened the file; `wal_autocheckpoint` is off from now on. */
  follow(database: Database): void {
    this.#database = database;
    database.pragma('wal_autocheckpoint = 0');
    this.#checkpoint(database, 'TRUNCATE');
  }

  /** Moves the whole log into the file now, for a file that was written again as a whole. */
  empty(): void {
    if (this.#database) this.#checkpoint(this.#database, 'TRUNCATE');
  }

  /** A transaction was committed: from time to time the log moves into the file. */
  committed(): void {
    this.#commits += 1;
    if (this.#database && this.#commits >= this.#commitsPerCheckpoint)
      this.#checkpoint(this.#database, 'PASSIVE');
  }

  /** SQLite is about to close the file, which makes the last checkpoint. */
  closing(): void {
    try {
      this.#write('checkpoint');
    } catch {
      // On a failing disk the note stays as it was. Closing changes the file only where the disk
      // works.
    }
  }

  /** SQLite has closed the file. */
  closed(): void {
    try {
      if (!hasLog(this.#path)) this.#write('closed');
    } catch {
      // On a failing disk the note still says that a checkpoint is under way.
    }
    closeSync(this.#note);
    closeSync(this.#file);
  }

  /**
   * Makes a checkpoint. After a failure the log stays as it is, and the next checkpoint tries
   * again.
   */
  #checkpoint(database: Database, mode: 'PASSIVE' | 'TRUNCATE'): void {
    const commits = this.#commits;
    this.#commits = 0;
    try {
      this.#write('checkpoint');
      const [result] = database.pragma(`wal_checkpoint(${mode})`) as { readonly log: number }[];
      // The time of change has to be on the disk before it is noted.
      fsyncSync(this.#file);
      this.#write('open');
      const frames = result?.log ?? 0;
      if (mode === 'PASSIVE' && frames > 0) {
        const wanted = Math.round((commits * CHECKPOINT_FRAMES) / frames);
        this.#commitsPerCheckpoint = Math.min(Math.max(wanted, FEWEST_COMMITS), MOST_COMMITS);
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }

  #write(state: NoteState): void {
    const mark = state === 'open' ? markOf(this.#path) : undefined;
    writeSync(this.#note, noteText(state, mark), 0, 'utf8');
    fsyncSync(this.#note);
  }
}

/**
 * Refuses a log that continues another database file than the one next to it. Throws `StoreError`
 * `store-log-foreign`, and changes nothing.
 */
export function refuseForeignLog(path: string): void {
  if (!hasLog(path)) return;
  const note = noteOf(path);
  if (note === undefined || note.state === 'checkpoint') return;
  const mark = markOf(path);
  if (!mark || (note.state === 'open' && note.size === mark.size && note.mtime_ns === mark.mtime_ns)) return;
  throw new StoreError(
    'store-log-foreign',
    `the log ${path}-wal does not belong to the store ${path}: one of the two was replaced after the last agent ended, and the log would change the store`,
  );
}

/**
 * Notes that no log belongs to the store, so that one that is there is refused. For a store that is
 * replaced, by the holder of its lock. Throws the system's error.
 */
export function markClosed(path: string): void {
  createPrivately(noteFile(path));
  const note = openSync(noteFile(path), 'r+');
  try {
    writeSync(note, noteText('closed'), 0, 'utf8');
    fsyncSync(note);
  } finally {
    closeSync(note);
  }
}

function noteText(state: NoteState, mark?: FileMark): string {
  return `${JSON.stringify({ state, ...mark }).padEnd(NOTE_BYTES - 1)}\n`;
}

function noteFile(path: string): string {
  return `${path}.state`;
}

/** Whether a log with content is next to a store. */
export function hasLog(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > EMPTY_WAL_BYTES;
}

function markOf(path: string): FileMark | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && { size: found.size.toString(), mtime_ns: found.mtimeNs.toString() };
}

/** The last note; undefined where none can be read. */
function noteOf(path: string): (Partial<FileMark> & { readonly state: NoteState }) | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(noteFile(path), 'utf8'));
    const { state, ...mark } = Object(note) as Partial<FileMark> & { readonly state?: unknown };
    return state === 'checkpoint' || state === 'open' || state === 'closed' ? { ...mark, state } : undefined;
  } catch {
    return undefined;
  }
}
