import { setImmediate } from 'node:timers/promises';
import type {
  AdminClient,
  HeadDocument,
  LinkDocument,
  StoryDocument,
  StoryQuery,
  TrustedAtDocument,
} from '../admin-client/index.ts';
import { describeTrustedAt, storyIn } from '../admin/index.ts';
import { CodedError } from '../errors/index.ts';
import { defined } from '../objects/index.ts';
import { systemClock, writeDurably } from '../platform/index.ts';
import {
  type ChainLink,
  type ChainReader,
  exportHistory,
  isChainedTable,
  openSqliteStoreForReading,
  type SignedHead,
} from '../store/index.ts';

/**
 * What `federate history` reads from a store file and writes to an export. Loads SQLite, so the
 * verb imports it on demand.
 */

/** The wanted events in the store at `path`. */
export async function storyOfFile(path: string, wanted: StoryQuery): Promise<StoryDocument> {
  await using store = await openSqliteStoreForReading({ path });
  return await storyIn(store, wanted);
}

/** What was trusted at `instant`, as the store at `path` has it. */
export async function trustedAtInFile(path: string, instant: Date): Promise<TrustedAtDocument> {
  await using store = await openSqliteStoreForReading({ path });
  return describeTrustedAt(instant, await store.trustedAt(instant));
}

/** What an export became. */
interface Exported {
  readonly file: string;
  readonly lines: number;
  readonly trust_domain: string | null;
  readonly exported_at: string;
}

/**
 * Writes the whole history of a store file, or else of the agent, to `file`; `-` prints each line
 * instead. `onLine` gets the number of lines so far.
 */
export async function exportTo(
  file: string,
  storePath: string | undefined,
  agent: AdminClient,
  { print, onLine }: { readonly print: (line: string) => void; readonly onLine: (lines: number) => void },
): Promise<Exported> {
  const at = systemClock.now();
  await using store =
    storePath === undefined ? undefined : await openSqliteStoreForReading({ path: storePath });
  const name = store
    ? ((await store.getMeta('own-trust-domain')) ?? null)
    : (await agent.call('GET /v1/status')).trust_domain;
  let lines = 0;
  const text = async function* () {
    for await (const line of exportHistory(store ?? chainOfAgent(agent), { trustDomain: name, at })) {
      lines += 1;
      onLine(lines);
      // A store answers at once, so the progress would never have its turn.
      if (lines % 1000 === 0) await setImmediate();
      yield `${line}\n`;
    }
  };
  if (file === '-') for await (const line of text()) print(line.trimEnd());
  else await writeDurably(file, text(), 0o600);
  return { file, lines, trust_domain: name, exported_at: at.toISOString() };
}

/** The chain of a running agent, page by page. */
function chainOfAgent(agent: AdminClient): ChainReader {
  return {
    chainLinks: async ({ after = 0, limit = 500 } = {}) =>
      (await agent.call('GET /v1/history/links', { query: { after, limit } })).map(linkFrom),
    signedHeads: async () => (await agent.call('GET /v1/history/heads')).map(headFrom),
  };
}

function linkFrom({ number, table, row_id: rowId, hash, row }: LinkDocument): ChainLink {
  if (!isChainedTable(table))
    throw new CodedError(
      'answer-not-understood',
      `the agent has rows of ${table} in its history, which are unknown here`,
    );
  return { number, table, rowId, hash, ...defined({ text: row ?? undefined }) };
}

function headFrom({ number, hash, chain, signed_at: at, signer, statement }: HeadDocument): SignedHead {
  return {
    at: new Date(at),
    number,
    hash,
    chain,
    ...(signer === null || statement === null ? {} : { signer, statement }),
  };
}
