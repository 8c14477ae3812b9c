import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, stat } from 'node:fs/promises';
import Sqlite, { type Database } from 'better-sqlite3';
import type { HistoryReport } from '../history/history-finding.ts';
import { verifyStoreFile } from '../history/verify-store.ts';
import { openDatabaseToCopy } from '../sql/database.ts';
import { migrate, readShape, SHAPE } from '../sql/migrate.ts';
import { createDraft } from './draft.ts';

/** What is in a store file, and whether it is sound. */
export interface StoreFacts {
  readonly bytes: number;
  /** SHA-256 of the whole file, in hex. */
  readonly sha256: string;
  readonly trustDomain: string | undefined;
  /** The version of the tables. */
  readonly shape: number;
  readonly newestEventAt: Date | undefined;
  readonly relationships: number;
  readonly versions: number;
  readonly events: number;
  readonly report: HistoryReport;
}

/**
 * Reads a whole copy of a store that no other process uses: what it holds, its digest, and the
 * verdict on its history. One of an older shape is judged as what an agent would make of it. Leaves
 * the file as it is. Rejects with `StoreError`, or with the error of SQLite or the system.
 */
export async function readStoreFacts(path: string): Promise<StoreFacts> {
  const digest = await digestOf(path);
  const { database } = openDatabaseToCopy(path);
  try {
    const count = (table: string) =>
      database.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0;
    const newest = database.prepare<[], string | null>('SELECT max(at) FROM event').pluck().get();
    const shape = readShape(database, path);
    return {
      bytes: (await stat(path)).size,
      sha256: digest,
      trustDomain: trustDomainIn(database),
      shape,
      newestEventAt: newest == null ? undefined : new Date(newest),
      relationships: count('relationship'),
      versions: count('bundle_version'),
      events: count('event'),
      report: shape < SHAPE ? await verifyConverted(path) : await verifyStoreFile(path),
    };
  } finally {
    database.close();
  }
}

/** The trust domain that a store belongs to; undefined before its agent knew it. */
export function trustDomainIn(database: Database): string | undefined {
  return database.prepare<[], string>("SELECT value FROM meta WHERE key = 'own-trust-domain'").pluck().get();
}

async function verifyConverted(path: string): Promise<HistoryReport> {
  await using draft = createDraft(path);
  await copyFile(path, draft.path);
  const database = new Sqlite(draft.path, { fileMustExist: true });
  try {
    migrate(database, draft.path);
  } finally {
    database.close();
  }
  return await verifyStoreFile(draft.path);
}

/** The SHA-256 of a whole file, in hex. */
export async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}
