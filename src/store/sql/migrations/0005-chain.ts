import type { Database } from 'better-sqlite3';
import {
  CHAIN_START,
  type ChainedRow,
  type ChainedTable,
  chainedColumns,
  linkHash,
  rowText,
} from '../../model/chain.ts';
import type { Migration } from '../migration.ts';

const appendOnly = (table: string) => `
  CREATE TRIGGER ${table}_is_not_changed BEFORE UPDATE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is changed'); END;
  CREATE TRIGGER ${table}_is_not_deleted BEFORE DELETE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is deleted'); END;`;

/**
 * Every row of the history commits to the one before it; heads of the chain are signed. `fill`
 * chains the existing rows.
 */
export const chain: Migration = {
  number: 5,
  name: 'the history proves itself',
  sql: `
  -- The history as a chain: each link commits to the link before and to the whole row it names (docs/history.md).
  CREATE TABLE chain (
    number INTEGER PRIMARY KEY,
    table_name TEXT NOT NULL
      CHECK (table_name IN ('bundle_version', 'event', 'incident', 'key_distrust', 'offer_rejection')),
    row_id INTEGER NOT NULL,
    -- SHA-256 in hex over 'federate-chain-1', number, the hash before and the row as JSON, joined by line feeds.
    hash TEXT NOT NULL CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*')
  ) STRICT;

  -- Ends of the chain that were signed by the agent's SVID; without signer: noted by an agent that had no SVID.
  CREATE TABLE chain_head (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    signed_at TEXT NOT NULL,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL,
    signer TEXT,
    statement TEXT,
    FOREIGN KEY (number) REFERENCES chain (number),
    CHECK ((signer IS NULL) = (statement IS NULL))
  ) STRICT;

  ${appendOnly('chain')}
  ${appendOnly('chain_head')}

  CREATE TRIGGER chain_head_is_not_replaced BEFORE INSERT ON chain_head
  WHEN EXISTS (SELECT 1 FROM chain_head AS old WHERE old.id = NEW.id)
  BEGIN SELECT RAISE(ABORT, 'chain_head is history: nothing in it is replaced'); END;
  -- Keeps REPLACE out as well.
  CREATE TRIGGER chain_has_no_gap BEFORE INSERT ON chain
  WHEN NEW.number <> 1 + coalesce((SELECT max(number) FROM chain), 0)
  BEGIN SELECT RAISE(ABORT, 'links are numbered 1, 2, 3 without a gap'); END;
`,
  fill,
};

/** Ordered by time. Within one moment a version comes before the events about it. */
function fill(database: Database): void {
  const rows = database
    .prepare<[], { readonly table_name: ChainedTable; readonly id: number }>(
      `SELECT table_name, id FROM (
         SELECT 'bundle_version' AS table_name, 1 AS rank, id, received_at AS at FROM bundle_version
         UNION ALL SELECT 'key_distrust', 2, id, at FROM key_distrust
         UNION ALL SELECT 'offer_rejection', 3, id, at FROM offer_rejection
         UNION ALL SELECT 'incident', 4, id, ended_at FROM incident WHERE ended_at IS NOT NULL
         UNION ALL SELECT 'event', 5, id, at FROM event
       ) ORDER BY at, rank, id`,
    )
    .all();
  const insert = database.prepare('INSERT INTO chain (number, table_name, row_id, hash) VALUES (?, ?, ?, ?)');
  let previous = CHAIN_START;
  for (const [index, { table_name: table, id }] of rows.entries()) {
    const row = database
      .prepare<[number], ChainedRow>(`SELECT ${chainedColumns[table].join(', ')} FROM ${table} WHERE id = ?`)
      .get(id);
    if (!row) throw new TypeError('unreachable: the row was listed in this very transaction');
    previous = linkHash(index + 1, previous, rowText(table, row));
    insert.run(index + 1, table, id, previous);
  }
}
