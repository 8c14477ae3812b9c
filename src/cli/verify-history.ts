import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { messageOf } from '../errors/index.ts';
import { parseBundleFile } from '../federation/index.ts';
import { defined } from '../objects/index.ts';
import { defaultBundleLimits, parseTrustDomain, type TrustBundle } from '../spiffe/index.ts';
import {
  type HistoryEvidence,
  type HistoryReport,
  openSqliteStoreForReading,
  readHeads,
  trustDomainOfExport,
  verifyExport,
  verifyStoreFile,
} from '../store/index.ts';
import { readNamedFile } from './named-file.ts';
import { UsageError } from './terminal.ts';

/** What an operator has to check a history with: our bundle, and heads that others kept. */
export interface Evidence {
  readonly bundle?: string;
  readonly trustDomain?: string;
  readonly heads?: readonly string[];
}

/** A history of years; an export is read as a whole. */
const MAX_EXPORT_BYTES = 1024 * 1024 * 1024;

const SQLITE_MAGIC = 'SQLite format 3\0';

/** Verifies the store or the export at `path`. Throws `UsageError` where a file cannot be read. */
export async function verifyFile(
  path: string,
  options: Evidence,
  onLinks: (links: number) => void,
): Promise<HistoryReport> {
  const heads = (options.heads ?? []).flatMap((file) => {
    const kept = readHeads(readNamedFile(file, '--heads'));
    if (kept.length === 0) throw new UsageError(`there is no head of a history in ${file}`);
    return kept;
  });
  if (isStore(path)) {
    const roots = await rootsFrom(options, async () => {
      await using store = await openSqliteStoreForReading({ path });
      return store.getMeta('own-trust-domain');
    });
    return verifyStoreFile(path, { ...evidenceOf(roots, heads), onLinks });
  }
  const bytes = readNamedFile(path, 'verify', MAX_EXPORT_BYTES);
  const roots = await rootsFrom(options, async () => trustDomainOfExport(bytes));
  return verifyExport(bytes, { ...evidenceOf(roots, heads), onLinks });
}

function evidenceOf(roots: TrustBundle | undefined, heads: HistoryEvidence['heads'] = []): HistoryEvidence {
  return { heads, ...defined({ roots }) };
}

async function rootsFrom(
  { bundle, trustDomain }: Evidence,
  nameInFile: () => Promise<string | undefined>,
): Promise<TrustBundle | undefined> {
  if (bundle === undefined) return undefined;
  const name = trustDomain ?? (await nameInFile());
  if (name === undefined)
    throw new UsageError('the history does not say whose it is: give --trust-domain with --bundle');
  return parseBundleFile(parseTrustDomain(name), readNamedFile(bundle, '--bundle'), defaultBundleLimits)
    .bundle;
}

function isStore(path: string): boolean {
  const start = Buffer.alloc(SQLITE_MAGIC.length);
  const file = attempt(path, 'verify', () => {
    if (!statSync(path).isFile()) throw new Error('it is not a regular file');
    return openSync(path, 'r');
  });
  try {
    attempt(path, 'verify', () => readSync(file, start, 0, start.length, 0));
  } finally {
    closeSync(file);
  }
  return start.toString('latin1') === SQLITE_MAGIC;
}

function attempt<Result>(path: string, option: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    const why = messageOf(cause);
    throw new UsageError(`reading ${path} for ${option} failed: ${why}`, { cause });
  }
}
