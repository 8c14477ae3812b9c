import { hash } from 'node:crypto';
import type { TrustDomain } from '../../spiffe/index.ts';

/**
 * The rows the chain commits to, and the columns of each that count, in the order of the text. A
 * row is chained when it is written. An incident is chained when it ends, because until then it is
 * still counted up. Never changed for a table that has been chained.
 */
export const chainedColumns = {
  bundle_version: [
    'id',
    'trust_domain',
    'number',
    'received_at',
    'sequence',
    'verdict',
    'origin',
    'proved_by',
    'digest',
    'document',
  ],
  event: ['id', 'at', 'kind', 'trust_domain', 'actor', 'code', 'message', 'version_number', 'detail'],
  incident: [
    'id',
    'began_at',
    'last_at',
    'ended_at',
    'times',
    'kind',
    'trust_domain',
    'code',
    'message',
    'origin',
    'actor',
    'sequence',
    'offered_document',
    'offered_digest',
    'offered_since',
    'offered_times',
  ],
  key_distrust: ['id', 'at', 'trust_domain', 'key_fingerprint', 'word', 'label', 'until', 'actor', 'reason'],
  offer_rejection: ['id', 'at', 'trust_domain', 'digest', 'word', 'actor', 'reason'],
  catalogue_version: [
    'id',
    'at',
    'trust_domain',
    'direction',
    'number',
    'sequence',
    'digest',
    'verdict',
    'reason_code',
    'message',
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** A table whose rows are chained. */
export type ChainedTable = keyof typeof chainedColumns;

/** All of them. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the very object
export const chainedTables = Object.keys(chainedColumns) as readonly ChainedTable[];

/** Whether rows of a table of that name are chained. */
export function isChainedTable(name: string): name is ChainedTable {
  return chainedTables.some((table) => table === name);
}

/** A row as the database returns it. */
export type ChainedRow = Readonly<Record<string, string | number | null>>;

/** The hash in front of the first link. */
export const CHAIN_START = '0'.repeat(64);

/** One link: the row it commits to, and its hash, which also commits to the previous link. */
export interface ChainLink {
  /** 1, 2, 3 … without a gap. */
  readonly number: number;
  readonly table: ChainedTable;
  readonly rowId: number;
  /** 64 lower-case hex digits. */
  readonly hash: string;
  /** `rowText` of the row as it is now; absent where the row is gone. */
  readonly text?: string;
}

/** The end of the chain. Its hash commits to everything before it. */
export interface ChainHead {
  readonly number: number;
  readonly hash: string;
}

/** A head as stored: signed by the agent's SVID where it had one. */
export interface SignedHead extends ChainHead {
  readonly at: Date;
  /** Hash of the first link, which distinguishes this chain from every other. */
  readonly chain: string;
  /**
   * The SPIFFE ID that signed, and its statement (`federate-head+jws`), which contains the
   * certificates.
   */
  readonly signer?: string;
  readonly statement?: string;
}

/** A head of a peer's history that its agent signed, and when we saw it. */
export interface PeerHead extends SignedHead {
  readonly trustDomain: TrustDomain;
  readonly seenAt: Date;
  readonly signer: string;
  readonly statement: string;
}

/**
 * A row as the chain commits to it: JSON without blanks, the table's name first, then the columns
 * in the order of `chainedColumns`. Texts are kept as they are, numbers are whole.
 */
export function rowText(table: ChainedTable, row: ChainedRow): string {
  const text: Record<string, string | number | null> = { table };
  for (const column of chainedColumns[table]) text[column] = row[column] ?? null;
  return JSON.stringify(text);
}

/**
 * SHA-256 over the format's name, the link's number, the hash before it and the text of its row,
 * joined by line feeds; in hex.
 */
export function linkHash(number: number, previous: string, text: string): string {
  return hash('sha256', `federate-chain-1\n${number}\n${previous}\n${text}`, 'hex');
}
