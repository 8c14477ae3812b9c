import { chownSync, existsSync, statSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from '../../errors/index.ts';
import type { Clock } from '../../platform/index.ts';
import { canonicalPath, openDatabaseToCopy, translating } from '../sql/database.ts';
import { StoreError } from '../model/errors.ts';
import { storeErrorFrom } from '../sql/sqlite-error.ts';
import { lockStore } from '../sql/store-lock.ts';
import { copyDatabase, type CopyProgress, leaveLogMode } from './copy-database.ts';
import { createDraft } from './draft.ts';
import { BackupError, writingError } from './errors.ts';
import { digestOf, readStoreFacts, type StoreFacts, trustDomainIn } from './facts.ts';
import { replaceStore } from './replace-store.ts';

/** What to restore, and where. */
export interface RestoreRequest {
  readonly file: string;
  readonly store: string;
  /** The trust domain that the config names, if it names one. */
  readonly trustDomain: string | undefined;
  /** The SHA-256 that the backup must have, in hex. */
  readonly sha256: string | undefined;
  /** Restores a history with defects too; never a damaged file. */
  readonly evenIfUnsound: boolean;
  readonly onProgress: CopyProgress;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** What was restored, and where the replaced store is now. */
export interface Restored {
  readonly store: string;
  readonly file: string;
  readonly facts: StoreFacts;
  /** Undefined where there was no store. */
  readonly keptAs: string | undefined;
}

/**
 * Puts a backup in the place of a store that no agent uses. The backup is copied next to the store
 * and checked there as a whole. Then one rename puts it in the place of the store. The replaced
 * store stays under another name. A process that is killed in the middle leaves the old store or
 * the new one. Rejects with `BackupError`, `StoreError` (`store-locked` where an agent runs on it,
 * `store-newer`), or the reason of `signal`; then the old store is what it was.
 */
export async function restoreStore(request: RestoreRequest): Promise<Restored> {
  const { file, clock } = request;
  refuseBackupPath(file);
  const store = canonicalPath(request.store);
  if (canonicalPath(file) === store)
    throw new BackupError('backup-onto-store', `${JSON.stringify(file)} is the store itself`);
  const lock = translating(store, () => lockStore(store, clock));
  try {
    await using draft = createDraft(store);
    const sha256 = await copyBackup(request, draft.path);
    request.onProgress({ step: 'verifying', done: 0, total: 1 });
    const facts = { ...(await factsOf(file, draft.path)), sha256 };
    judge(request, store, facts);
    keepOwner(draft.path, store);
    await draft.sync();
    request.signal.throwIfAborted();
    const keptAs = await replaceStore(store, draft.path, clock.now());
    return { store, file, facts, keptAs };
  } catch (error) {
    throw writingError(error, store);
  } finally {
    lock.release();
  }
}

function refuseBackupPath(file: string): void {
  const found = statOf(file);
  if (!found) throw new BackupError('backup-missing', `there is no backup at ${JSON.stringify(file)}`);
  if (found.isDirectory())
    throw new BackupError(
      'backup-not-a-backup',
      `${JSON.stringify(file)} is a folder; name the file of the backup in it`,
    );
  if (!found.isFile())
    throw new BackupError('backup-not-a-backup', `${JSON.stringify(file)} is not a regular file`);
}

function statOf(file: string) {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) return undefined;
    throw notReadable(file, error);
  }
}

/**
 * Copies the backup next to the store. A file without a log is copied as it is, so that nothing is
 * created next to it. With a log it may be the store of an agent, which only SQLite can copy.
 * Returns the SHA-256 of the file.
 */
async function copyBackup({ file, onProgress, signal }: RestoreRequest, draft: string): Promise<string> {
  if (!existsSync(`${file}-wal`)) {
    onProgress({ step: 'copying', done: 0, total: 1 });
    try {
      await copyFile(file, draft);
      await chmod(draft, 0o600);
    } catch (error) {
      throw hasCode(error, 'EACCES') || hasCode(error, 'EPERM') ? notReadable(file, error) : error;
    }
    signal.throwIfAborted();
    const sha256 = await digestOf(draft);
    try {
      leaveLogMode(draft);
    } catch (error) {
      throw asBackup(file, storeErrorFrom(error, file));
    }
    return sha256;
  }
  let source: ReturnType<typeof openDatabaseToCopy>;
  try {
    source = openDatabaseToCopy(file);
  } catch (error) {
    throw asBackup(file, error);
  }
  try {
    await copyDatabase(source.database, draft, { onProgress, signal });
    return await digestOf(file);
  } catch (error) {
    throw hasCode(error, 'SQLITE_CORRUPT') ? asBackup(file, storeErrorFrom(error, file)) : error;
  } finally {
    source.database.close();
  }
}

async function factsOf(file: string, draft: string): Promise<StoreFacts> {
  try {
    return await readStoreFacts(draft);
  } catch (error) {
    throw asBackup(file, storeErrorFrom(error, file));
  }
}

/** An error about a store, as an error about the backup. */
function asBackup(file: string, error: unknown): unknown {
  if (!(error instanceof StoreError)) return error;
  const refuse = (code: 'backup-missing' | 'backup-not-a-backup' | 'backup-damaged', why: string) =>
    new BackupError(code, `${JSON.stringify(file)} cannot be restored: ${why}`, { cause: error });
  switch (error.code) {
    case 'store-missing':
      return refuse('backup-not-a-backup', 'it is empty');
    case 'store-not-a-store':
      return refuse('backup-not-a-backup', 'it is not a store of Federate');
    case 'store-corrupt':
      return refuse('backup-damaged', 'it is damaged');
    case 'store-newer':
      return new StoreError(
        'store-newer',
        `the backup ${JSON.stringify(file)} was written by a newer version of Federate`,
      );
    case 'store-failed':
    case 'store-read-only':
      return notReadable(file, error);
    default:
      return error;
  }
}

function notReadable(file: string, cause: unknown): BackupError {
  return new BackupError(
    'backup-not-readable',
    `the backup ${JSON.stringify(file)} cannot be read by this user`,
    {
      cause,
    },
  );
}

function judge(request: RestoreRequest, store: string, facts: StoreFacts): void {
  const { file, sha256, evenIfUnsound } = request;
  const name = JSON.stringify(file);
  const { report, trustDomain } = facts;
  const damage = report.findings.find(({ code }) => code === 'file-damaged');
  if (damage) throw new BackupError('backup-damaged', `${name} is damaged: ${damage.message}`);
  if (sha256 !== undefined && sha256 !== facts.sha256)
    throw new BackupError(
      'backup-digest-differs',
      `${name} has the SHA-256 ${facts.sha256}, expected ${sha256}`,
    );
  const [first] = report.findings;
  if (first && !evenIfUnsound)
    throw new BackupError(
      'backup-unsound',
      `the history in ${name} is not what was written: ${first.message} [${first.code}]`,
    );
  const wanted = request.trustDomain ?? trustDomainOf(store);
  if (wanted === undefined || trustDomain === undefined || wanted === trustDomain) return;
  throw new BackupError(
    'backup-of-another-trust-domain',
    `${name} is of ${trustDomain}, and the store ${store} is of ${wanted}`,
  );
}

/** The trust domain of the store that is replaced; undefined where it cannot be read. */
function trustDomainOf(store: string): string | undefined {
  try {
    const { database } = openDatabaseToCopy(store);
    try {
      return trustDomainIn(database);
    } finally {
      database.close();
    }
  } catch {
    // A store that cannot be read is a reason to restore one.
    return undefined;
  }
}

/** Root restores for the user of the agent, who owns the store or its folder. */
function keepOwner(draft: string, store: string): void {
  const { uid, gid } = statSync(store, { throwIfNoEntry: false }) ?? statSync(dirname(store));
  const own = statSync(draft);
  if (own.uid !== uid || own.gid !== gid) chownSync(draft, uid, gid);
}
