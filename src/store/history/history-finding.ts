/**
 * The kinds of defects of a history. Operators and tests rely on these codes.
 *
 * - `row-changed` a row, or its place in the chain, differs from what was written
 * - `row-removed` the chain names a row that is not there
 * - `row-inserted` the chain does not name this row
 * - `link-missing` links of the chain itself are gone
 * - `tail-missing` the history ends before a head that was signed, or before rows that once existed
 * - `history-rewritten` the chain is consistent, but it is not the signed one
 * - `head-unproven` the signature of a head is not that of its named signer
 * - `key-wrong` the tables of keys do not follow from the bundles
 * - `current-wrong` the current bundle is not the newest version of the history
 * - `incident-wrong` an incident without its event, or a removed incident
 * - `stage-wrong` a stage of an own root without its event, or an event without its stage
 * - `shape-changed` tables, views or triggers differ from those of a new store
 * - `file-damaged` SQLite finds the file damaged
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

/** One defect of a history. */
export interface Finding {
  readonly code: FindingCode;
  /** The row in question, as `event 12`, if the finding concerns one row. */
  readonly row?: string;
  readonly message: string;
}

/** The verdict on a history: sound where `findings` is empty. */
export interface HistoryReport {
  readonly links: number;
  /** The hash of the last link. */
  readonly head: string | undefined;
  readonly heads: { readonly signed: number; readonly unsigned: number };
  /**
   * The newest head that is proven and stands in the chain. Everything up to it is unchanged since
   * it was signed.
   */
  readonly newestSigned:
    | { readonly number: number; readonly at: Date; readonly signer: string; readonly rootedIn: string }
    | undefined;
  /** At most `MAX_FINDINGS`. */
  readonly findings: readonly Finding[];
  /** The number of all findings, kept or not. */
  readonly found: number;
}

/** Findings above this number are only counted. */
export const MAX_FINDINGS = 100;
