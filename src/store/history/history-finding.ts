/**
 * What is wrong with a history; operators and tests go by the word.
 *
 * - `row-changed` a row, or its place in the chain, is not what was written
 * - `row-removed` the chain names a row that is not there
 * - `row-inserted` a row that the chain does not name
 * - `link-missing` links of the chain itself are gone
 * - `tail-missing` the history ends before a head that was signed, or before rows that it once had
 * - `history-rewritten` the chain holds together, but it is not the one that was signed
 * - `head-unproven` a signed head is not signed by who it says
 * - `key-wrong` what the tables of keys say does not follow from the bundles
 * - `current-wrong` what counts as current is not the newest version of the history
 * - `incident-wrong` an incident without its event, or taken out
 * - `stage-wrong` a stage of an own root without its event, or the other way round
 * - `shape-changed` tables, views or triggers are not those of a store
 * - `file-damaged` the file itself is not sound
 * - `export-malformed` a line of an export that cannot be read
 */
export type FindingCode =
  | 'row-changed'
  | 'row-removed'
  | 'row-inserted'
  | 'link-missing'
  | 'tail-missing'
  | 'history-rewritten'
  | 'head-unproven'
  | 'key-wrong'
  | 'current-wrong'
  | 'incident-wrong'
  | 'stage-wrong'
  | 'shape-changed'
  | 'file-damaged'
  | 'export-malformed';

/** One thing that is wrong. */
export interface Finding {
  readonly code: FindingCode;
  /** The row it is about, as `event 12`, where it is about one. */
  readonly row?: string;
  readonly message: string;
}

/** How a history stands: sound where `findings` is empty. */
export interface HistoryReport {
  readonly links: number;
  /** The last link's hash. */
  readonly head: string | undefined;
  readonly heads: { readonly signed: number; readonly unsigned: number };
  /**
   * The newest head that is proven and stands in the chain; everything up to it is as it was when
   * it was signed.
   */
  readonly newestSigned:
    | { readonly number: number; readonly at: Date; readonly signer: string; readonly rootedIn: string }
    | undefined;
  /** At most `MAX_FINDINGS`. */
  readonly findings: readonly Finding[];
  /** How many there are in all. */
  readonly found: number;
}

/** More are counted, not kept. */
export const MAX_FINDINGS = 100;
