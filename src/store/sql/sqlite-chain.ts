import type { Database } from 'better-sqlite3';
import { defined } from '../../objects/index.ts';
import {
  CHAIN_START,
  chainedColumns,
  type ChainedRow,
  type ChainedTable,
  chainedTables,
  type ChainHead,
  type ChainLink,
  linkHash,
  rowText,
  type SignedHead,
} from '../model/chain.ts';
import { checkLinkPage, checkPage } from '../model/arguments.ts';
import { DOCUMENT_SQL } from '../model/document-parts.ts';
import { StoreError } from '../model/errors.ts';

interface LinkRow {
  readonly number: number;
  readonly table_name: ChainedTable;
  readonly row_id: number;
  readonly hash: string;
}

interface HeadRow {
  readonly signed_at: string;
  readonly number: number;
  readonly hash: string;
  readonly signer: string | null;
  readonly statement: string | null;
}

/**
 * SQL that reads the row `?` of a chained table with the columns that count, its document
 * reassembled.
 */
export function selectChainedRow(table: ChainedTable): string {
  const columns = chainedColumns[table].map((column) =>
    table === 'bundle_version' && column === 'document' ? `${DOCUMENT_SQL} AS document` : column,
  );
  return `SELECT ${columns.join(', ')} FROM ${table} WHERE id = ?`;
}

/**
 * Adds a row, given without its `id`, to the end of the chain. Call this in the transaction that
 * wrote the row.
 */
export type AddLink = (table: ChainedTable, rowId: number | bigint, row: ChainedRow) => void;

/** The chain and its heads, in SQL. `add` is for the transaction that wrote the row. */
export function createChainTable(database: Database) {
  const selectRow = new Map(
    chainedTables.map((table) => [table, database.prepare<[number], ChainedRow>(selectChainedRow(table))]),
  );
  const selectHead = database.prepare<[], ChainHead>(
    'SELECT number, hash FROM chain ORDER BY number DESC LIMIT 1',
  );
  const selectFirst = database.prepare<[], string>('SELECT hash FROM chain WHERE number = 1').pluck();
  const insertLink = database.prepare<[number, ChainedTable, number, string]>(
    'INSERT INTO chain (number, table_name, row_id, hash) VALUES (?, ?, ?, ?)',
  );
  const selectLinks = database.prepare<[number, number], LinkRow>(
    'SELECT number, table_name, row_id, hash FROM chain WHERE number > ? ORDER BY number LIMIT ?',
  );
  const selectHeads = database.prepare<[number], HeadRow>(
    'SELECT signed_at, number, hash, signer, statement FROM chain_head ORDER BY id DESC LIMIT ?',
  );
  const insertHead = database.prepare<[string, number, string, string | null, string | null]>(
    'INSERT INTO chain_head (signed_at, number, hash, signer, statement) VALUES (?, ?, ?, ?, ?)',
  );

  const textOf = (table: ChainedTable, rowId: number): string | undefined => {
    const row = selectRow.get(table)?.get(rowId);
    return row && rowText(table, row);
  };
  const linkOf = ({ number, table_name: table, row_id: rowId, hash }: LinkRow): ChainLink => {
    const text = textOf(table, rowId);
    return { number, table, rowId, hash, ...defined({ text }) };
  };

  return {
    add: ((table, id, row) => {
      const rowId = Number(id);
      const { number: last, hash: previous } = selectHead.get() ?? { number: 0, hash: CHAIN_START };
      const hash = linkHash(last + 1, previous, rowText(table, { ...row, id: rowId }));
      insertLink.run(last + 1, table, rowId, hash);
    }) satisfies AddLink,
    reads: {
      chainHead: (): ChainHead | undefined => selectHead.get(),
      chainLinks(page: { readonly after?: number; readonly limit?: number } = {}): ChainLink[] {
        const { limit, after } = checkLinkPage(page);
        return selectLinks.all(after, limit).map(linkOf);
      },
      signedHeads(page: { readonly limit?: number } = {}): SignedHead[] {
        const { limit } = checkPage(page);
        const chain = selectFirst.get();
        return chain === undefined ? [] : selectHeads.all(limit).map((row) => headOf(row, chain));
      },
    },
    writes: {
      recordHead({ at, number, hash, signer, statement }: SignedHead): void {
        const [link] = selectLinks.all(number - 1, 1);
        if (link?.number !== number || link.hash !== hash)
          throw new StoreError(
            'store-corrupt',
            `link ${number} of the history is not the one that was signed`,
          );
        insertHead.run(at.toISOString(), number, hash, signer ?? null, statement ?? null);
      },
    },
  };
}

function headOf({ signed_at, number, hash, signer, statement }: HeadRow, chain: string): SignedHead {
  return {
    at: new Date(signed_at),
    number,
    hash,
    chain,
    ...(signer === null || statement === null ? {} : { signer, statement }),
  };
}
