import { type ChainLink, isChainedTable, type SignedHead } from '../model/chain.ts';
import type { Finding, HistoryReport } from './history-finding.ts';
import { type HistoryEvidence, judgeHistory } from './judge-history.ts';
import type { StoreReader } from '../model/store.ts';

const PAGE = 500;
const LINE_FEED = 0x0a;
const HEX64 = /^[0-9a-f]{64}$/;

/** The source of an export: a store, or a client of an agent. */
export type ChainReader = Pick<StoreReader, 'chainLinks' | 'signedHeads'>;

/** A line of an export as JSON. `row` is exactly the text that the chain commits to. */
type ExportLine =
  | { readonly federate_history: 1; readonly trust_domain: string | null; readonly exported_at: string }
  | { readonly link: number; readonly hash: string; readonly row: string | null; readonly names: string }
  | { readonly head: HeadDocument }
  | { readonly end: { readonly links: number; readonly hash: string | null } };

interface HeadDocument {
  readonly number: number;
  readonly hash: string;
  readonly chain: string;
  readonly signed_at: string;
  readonly signer: string | null;
  readonly statement: string | null;
}

/**
 * Writes the whole history as lines of JSON, each without its line feed: a header, every link with
 * its row, the heads, the end. A reader can verify it without our agent (docs/history.md). Rejects
 * with what `reader` rejects with.
 */
export async function* exportHistory(
  reader: ChainReader,
  { trustDomain, at }: { readonly trustDomain: string | null; readonly at: Date },
): AsyncGenerator<string> {
  const write = (line: ExportLine) => JSON.stringify(line);
  yield write({ federate_history: 1, trust_domain: trustDomain, exported_at: at.toISOString() });
  // Read first, so that no head is newer than the links that follow.
  const heads = await reader.signedHeads({ limit: Number.MAX_SAFE_INTEGER });
  let last: ChainLink | undefined;
  for (;;) {
    const links = await reader.chainLinks({ after: last?.number ?? 0, limit: PAGE });
    for (const { number, hash, table, rowId, text } of links)
      yield write({ link: number, hash, names: `${table} ${rowId}`, row: text ?? null });
    if (links.length === 0) break;
    last = links.at(-1);
  }
  for (const head of heads.toReversed()) yield write({ head: headDocument(head) });
  yield write({ end: { links: last?.number ?? 0, hash: last?.hash ?? null } });
}

/** A head in the shape that exports and peers use. */
export function headDocument(head: SignedHead): HeadDocument {
  const { number, hash, chain, at, signer, statement } = head;
  return {
    number,
    hash,
    chain,
    signed_at: at.toISOString(),
    signer: signer ?? null,
    statement: statement ?? null,
  };
}

/** Judges an export as `verifyStoreFile` judges a store, using its lines alone. */
export function verifyExport(bytes: Uint8Array, evidence: HistoryEvidence = {}): Promise<HistoryReport> {
  const more: Finding[] = [];
  const heads: SignedHead[] = [];
  let begun = false;
  let end: { readonly links: number; readonly hash: string | null } | undefined;
  let count = 0;
  let hash: string | null = null;
  for (const { number, value } of linesOf(bytes)) {
    const line = readLine(value);
    if (typeof line === 'string')
      more.push({ code: 'export-malformed', message: `line ${number} of the export ${line}` });
    else if (line.kind === 'begin') begun = true;
    else if (line.kind === 'head') heads.push(line.head);
    else if (line.kind === 'end') end = line;
    else [count, hash] = [line.link.number, line.link.hash];
  }
  if (!begun)
    more.push({ code: 'export-malformed', message: 'the export does not begin with "federate_history": 1' });
  if (!end) more.push({ code: 'tail-missing', message: 'the export has no end: it was cut off' });
  else if (end.links !== count || end.hash !== hash)
    more.push({
      code: 'tail-missing',
      message: `the export says it has ${end.links} links, and ends with link ${count}`,
    });
  return judgeHistory({ links: linksOf(bytes), heads, more }, evidence);
}

/** The trust domain whose history an export claims to be. */
export function trustDomainOfExport(bytes: Uint8Array): string | undefined {
  const [first] = linesOf(bytes);
  const { trust_domain: name } = (first && objectOf(first.value)) ?? {};
  return typeof name === 'string' ? name : undefined;
}

/**
 * Reads the heads from a file of lines, such as a peer's export of the heads it holds of us. Other
 * lines are skipped.
 */
export function readHeads(bytes: Uint8Array): SignedHead[] {
  return [...linesOf(bytes)].flatMap(({ value }) => {
    const line = readLine(value);
    return typeof line !== 'string' && line.kind === 'head' ? [line.head] : [];
  });
}

function* linksOf(bytes: Uint8Array): Generator<ChainLink> {
  for (const { value } of linesOf(bytes)) {
    const line = readLine(value);
    if (typeof line !== 'string' && line.kind === 'link') yield line.link;
  }
}

function* linesOf(bytes: Uint8Array): Generator<{ readonly number: number; readonly value: string }> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0, number = 1; start < buffer.length; number += 1) {
    const found = buffer.indexOf(LINE_FEED, start);
    const end = found === -1 ? buffer.length : found;
    yield { number, value: buffer.toString('utf8', start, end) };
    start = end + 1;
  }
}

type ReadLine =
  | { readonly kind: 'begin' }
  | { readonly kind: 'link'; readonly link: ChainLink }
  | { readonly kind: 'head'; readonly head: SignedHead }
  | { readonly kind: 'end'; readonly links: number; readonly hash: string | null };

/** The content of a line, or the reason why it cannot be used. */
function readLine(text: string): ReadLine | string {
  const line = objectOf(text);
  if (!line) return 'is not a JSON object';
  if (line['federate_history'] === 1) return { kind: 'begin' };
  if ('head' in line) return readHead(line['head']) ?? 'is not a head of a history';
  if ('end' in line) {
    const { links, hash = null } = Object(line['end']) as Record<string, unknown>;
    return typeof links === 'number' && (hash === null || typeof hash === 'string')
      ? { kind: 'end', links, hash }
      : 'is not the end of an export';
  }
  return readLink(line) ?? 'is not a link of a chain';
}

function readLink({ link: number, hash, row, names }: Record<string, unknown>): ReadLine | undefined {
  if (!isCount(number) || !isHash(hash) || typeof names !== 'string') return undefined;
  const [table = '', id] = names.split(' ');
  const rowId = Number(id);
  if (!isChainedTable(table) || !isCount(rowId)) return undefined;
  if (row === null) return { kind: 'link', link: { number, hash, table, rowId } };
  // The row that a link names must be the row it commits to.
  const fields = typeof row === 'string' ? objectOf(row) : undefined;
  if (typeof row !== 'string' || fields?.['table'] !== table || fields['id'] !== rowId) return undefined;
  return { kind: 'link', link: { number, hash, table, rowId, text: row } };
}

function readHead(value: unknown): ReadLine | undefined {
  const {
    number,
    hash,
    chain,
    signed_at: signedAt,
    signer,
    statement,
  } = Object(value) as Record<string, unknown>;
  const at = new Date(typeof signedAt === 'string' ? signedAt : Number.NaN);
  if (!isCount(number) || !isHash(hash) || !isHash(chain) || Number.isNaN(at.getTime())) return undefined;
  const signed = typeof signer === 'string' && typeof statement === 'string' ? { signer, statement } : {};
  return { kind: 'head', head: { at, number, hash, chain, ...signed } };
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an object, whose members are looked at one by one
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // The caller adds the number of the line.
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && HEX64.test(value);
}
