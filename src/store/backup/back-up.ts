import { existsSync, realpathSync, statSync } from 'node:fs';
import { link, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { syncFolder } from '../../platform/index.ts';
import { openDatabaseToCopy } from '../sql/database.ts';
import { storeErrorFrom } from '../sql/sqlite-error.ts';
import { copyDatabase, type CopyProgress } from './copy-database.ts';
import { createDraft } from './draft.ts';
import { BackupError, writingError } from './errors.ts';
import { readStoreFacts, type StoreFacts } from './facts.ts';

/** What to back up, and where. */
export interface BackupRequest {
  readonly store: string;
  readonly file: string;
  /** Whether a file that is there may be replaced. */
  readonly replace: boolean;
  readonly onProgress: CopyProgress;
  readonly signal: AbortSignal;
}

/** A backup that was made and verified. */
export interface Backup {
  readonly store: string;
  readonly file: string;
  readonly facts: StoreFacts;
}

/** What SQLite and the agent keep next to a store. */
const COMPANIONS = ['', '-wal', '-shm', '-journal', '.state', '.lock'] as const;

/**
 * Copies a store into one file, mode 0600, while its agent runs or not. The copy is verified before
 * it takes its name: a damaged one is refused. A history with defects is copied as it is, because it
 * is evidence; `facts.report` names them. Rejects with `BackupError`, `StoreError`, or the reason of
 * `signal`; then no file is left.
 */
export async function backUpStore(request: BackupRequest): Promise<Backup> {
  const { store, replace, onProgress, signal } = request;
  const source = openDatabaseToCopy(store);
  try {
    const file = placeOf(request.file);
    refusePlace(file, source.path, replace);
    const facts = await inDraft(
      file,
      async (draft) => {
        try {
          await copyDatabase(source.database, draft, { onProgress, signal });
        } catch (error) {
          throw isOfSource(error) ? storeErrorFrom(error, source.path) : error;
        }
        onProgress({ step: 'verifying', done: 0, total: 1 });
        const facts = await verified(draft);
        signal.throwIfAborted();
        return facts;
      },
      replace,
    );
    return { store: source.path, file, facts };
  } finally {
    source.database.close();
  }
}

/** Damage is the store's, whatever the copy became. */
function isOfSource(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^SQLITE_(?:CORRUPT|NOTADB|BUSY)/.test(code);
}

async function inDraft(
  file: string,
  fill: (draft: string) => Promise<StoreFacts>,
  replace: boolean,
): Promise<StoreFacts> {
  try {
    await using draft = createDraft(file);
    const facts = await fill(draft.path);
    await draft.sync();
    // A link refuses a file that another program made meanwhile; a rename would replace it.
    if (replace) await rename(draft.path, file);
    else await linkOrRename(draft.path, file);
    await syncFolder(dirname(file));
    return facts;
  } catch (error) {
    throw writingError(error, file);
  }
}

async function linkOrRename(draft: string, file: string): Promise<void> {
  try {
    await link(draft, file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') throw exists(file);
    // Not every file system has links.
    await rename(draft, file);
  }
}

async function verified(draft: string): Promise<StoreFacts> {
  const facts = await readStoreFacts(draft);
  const damage = facts.report.findings.find(({ code }) => code === 'file-damaged');
  if (!damage) return facts;
  throw new BackupError('backup-damaged', `the copy is damaged, so it was not kept: ${damage.message}`);
}

/** The absolute path, with links in its folder resolved. */
function placeOf(file: string): string {
  if (file === '-') throw unusable(file, 'a backup goes into a file, not to standard output');
  const absolute = resolve(file);
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory())
    throw unusable(file, `it is a folder; name a file in it, such as ${join(file, 'federate.db')}`);
  const folder = dirname(absolute);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw unusable(file, `the folder ${JSON.stringify(folder)} does not exist`);
  return join(realpathSync(folder), basename(absolute));
}

function refusePlace(file: string, store: string, replace: boolean): void {
  for (const end of COMPANIONS) {
    if (file !== `${store}${end}` && !isSameFile(file, `${store}${end}`)) continue;
    throw new BackupError(
      'backup-onto-store',
      `${JSON.stringify(file)} belongs to the store itself; a backup goes into another file`,
    );
  }
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found && !existsSync(file)) return;
  if (!found?.isFile()) throw unusable(file, 'it is not a regular file');
  if (!replace) throw exists(file);
}

function isSameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev;
}

function exists(file: string): BackupError {
  return new BackupError('backup-exists', `${JSON.stringify(file)} is there already; it was not changed`);
}

function unusable(file: string, why: string): BackupError {
  return new BackupError(
    'backup-place-unusable',
    `no backup can be written to ${JSON.stringify(file)}: ${why}`,
  );
}
