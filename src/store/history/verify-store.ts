import { setImmediate } from 'node:timers/promises';
import Sqlite, { type Database } from 'better-sqlite3';
import { chainedTables, type ChainedTable, type ChainLink } from '../model/chain.ts';
import { openDatabaseForReading } from '../sql/database.ts';
import { catalogueFindings } from './catalogue-documents.ts';
import { derivedKeyFindings } from './derived-keys.ts';
import { rootStageFindings } from './derived-stages.ts';
import type { Finding, HistoryReport } from './history-finding.ts';
import { type HistoryEvidence, judgeHistory } from './judge-history.ts';
import { migrate } from '../sql/migrate.ts';
import { createChainTable } from '../sql/sqlite-chain.ts';
import { PEER_HEADS_KEPT } from '../model/peer-head-rule.ts';
import { storeErrorFrom } from '../sql/sqlite-error.ts';

const PAGE = 1000;
const ALL = Number.MAX_SAFE_INTEGER;
/** The history tables: those that use every ID exactly once, and all of them. */
const COUNTED = [
  'event',
  'incident',
  'key_distrust',
  'offer_rejection',
  'catalogue_version',
  'chain_head',
  'own_root_stage',
  'peer_head',
] as const;

/**
 * Judges the history in a store file: next to a running agent, after it, or in a copy. Writes
 * nothing. Checks the chain and its heads, and also what follows from the history: keys, current
 * bundles, incidents, and the shape of the file. Rejects with `StoreError` where the file cannot be
 * read as a store of the present shape.
 */
export async function verifyStoreFile(path: string, evidence: HistoryEvidence = {}): Promise<HistoryReport> {
  const open = openDatabaseForReading(path);
  const { database } = open;
  try {
    // One consistent snapshot of a store that an agent may be writing meanwhile.
    database.exec('BEGIN');
    const checks: readonly (() => Finding[])[] = [
      () => fileFindings(database),
      () => shapeFindings(database),
      () => chainedTables.flatMap((table) => insertedRows(database, table)),
      () => COUNTED.flatMap((table) => missingEnd(database, table)),
      () => derivedKeyFindings(database),
      () => currentFindings(database),
      () => incidentFindings(database),
      () => rootStageFindings(database),
      () => catalogueFindings(database),
      () => missingBetween(database, 'own_root_stage'),
      // Older heads of peers are thinned, so a gap among them proves nothing.
      () => missingBetween(database, 'peer_head', PEER_HEADS_KEPT),
    ];
    const more: Finding[] = [];
    for (const check of checks) {
      more.push(...check());
      // Each of them may take long. The caller can report its progress in between.
      await setImmediate();
    }
    const { reads: chain } = createChainTable(database);
    return await judgeHistory(
      { links: allLinks(chain), heads: chain.signedHeads({ limit: ALL }), more },
      evidence,
    );
  } catch (error) {
    throw storeErrorFrom(error, open.path);
  } finally {
    open.close();
  }
}

function* allLinks(chain: ReturnType<typeof createChainTable>['reads']): Generator<ChainLink> {
  for (let after = 0; ; ) {
    const page = chain.chainLinks({ after, limit: PAGE });
    yield* page;
    const last = page.at(-1);
    if (!last) return;
    after = last.number;
  }
}

function fileFindings(database: Database): Finding[] {
  const rows = database.pragma('integrity_check(10)') as readonly { readonly integrity_check: string }[];
  return rows
    .filter(({ integrity_check: message }) => message !== 'ok')
    .map(({ integrity_check: message }) => ({ code: 'file-damaged', message }));
}

interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly sql: string | null;
}

/**
 * Compares the schema with that of a new store. Because a removed trigger lets later changes pass,
 * any difference is a finding.
 */
function shapeFindings(database: Database): Finding[] {
  const shapeOf = (of: Database) =>
    new Map(
      of
        .prepare<[], SchemaRow>("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
        .all()
        .map(({ type, name, sql }) => [`the ${type} ${name}`, sql]),
    );
  const fresh = new Sqlite(':memory:');
  migrate(fresh, ':memory:');
  const [wanted, actual] = [shapeOf(fresh), shapeOf(database)];
  fresh.close();
  const finding = (message: string): Finding => ({ code: 'shape-changed', message });
  return [
    ...[...wanted].flatMap(([name, sql]) => {
      const now = actual.get(name);
      if (now === sql) return [];
      return [finding(actual.has(name) ? `${name} differs from that of a new store` : `${name} is gone`)];
    }),
    ...[...actual.keys()]
      .filter((name) => !wanted.has(name))
      .map((name) => finding(`${name} does not belong to a store`)),
  ];
}

/** Finds rows that were written without a link in the chain. */
function insertedRows(database: Database, table: ChainedTable): Finding[] {
  const chained = table === 'incident' ? 'ended_at IS NOT NULL' : 'true';
  return database
    .prepare<[ChainedTable], number>(
      `SELECT id FROM ${table} WHERE ${chained} AND id NOT IN (SELECT row_id FROM chain WHERE table_name = ?) ORDER BY id`,
    )
    .pluck()
    .all(table)
    .map((id) => ({
      code: 'row-inserted',
      row: `${table} ${id}`,
      message: `${table} ${id} is not in the chain: it was inserted by other means`,
    }));
}

/**
 * Finds rows removed at the end. SQLite remembers the highest ID it ever gave, so a missing one was
 * removed.
 */
function missingEnd(database: Database, table: (typeof COUNTED)[number]): Finding[] {
  const given =
    database.prepare<[string], number>('SELECT seq FROM sqlite_sequence WHERE name = ?').pluck().get(table) ??
    0;
  const newest = database.prepare<[], number>(`SELECT coalesce(max(id), 0) FROM ${table}`).pluck().get() ?? 0;
  if (given <= newest) return [];
  const which = given === newest + 1 ? `${table} ${given}` : `${table} ${newest + 1} to ${given}`;
  return [
    { code: 'tail-missing', row: `${table} ${newest + 1}`, message: `${which} once existed at the end` },
  ];
}

/** Finds IDs missing in the middle, in tables whose rows are not each in the chain. */
function missingBetween(
  database: Database,
  table: 'incident' | 'own_root_stage' | 'peer_head',
  newest = ALL,
): Finding[] {
  return database
    .prepare<[number], { readonly first: number; readonly last: number }>(
      `SELECT previous + 1 AS first, id - 1 AS last
       FROM (SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS previous FROM ${table})
       WHERE previous < id - 1 AND id - 1 > (SELECT max(id) FROM ${table}) - ? ORDER BY id`,
    )
    .all(newest)
    .map(({ first, last }) => {
      const row = `${table} ${first}`;
      return {
        code: 'row-removed',
        row,
        message: first === last ? `${row} is gone` : `${row} to ${last} are gone`,
      };
    });
}

/** The current bundle must be the newest version, unless the trust ended with that version. */
function currentFindings(database: Database): Finding[] {
  return database
    .prepare<[], { readonly name: string; readonly newest: number | null; readonly held: number | null }>(
      `WITH newest AS (
         SELECT v.trust_domain, v.number, v.digest, v.sequence FROM bundle_version AS v
         WHERE v.number = (SELECT max(number) FROM bundle_version WHERE trust_domain = v.trust_domain)
           AND NOT EXISTS (SELECT 1 FROM event AS e WHERE e.trust_domain = v.trust_domain
             AND e.kind = 'relationship-removed' AND e.version_number = v.number))
       SELECT coalesce(n.trust_domain, c.trust_domain) AS name, n.number AS newest, c.number AS held
       FROM newest AS n FULL JOIN current_bundle AS c ON c.trust_domain = n.trust_domain
       WHERE n.number IS NOT c.number OR n.digest IS NOT c.digest
         OR length(c.sequence) < length(n.sequence)
         OR (length(c.sequence) = length(n.sequence) AND c.sequence < n.sequence)
         OR (c.sequence IS NULL AND n.sequence IS NOT NULL)
       ORDER BY 1`,
    )
    .all()
    .map(({ name, newest, held }) => {
      const row = `current_bundle ${name}`;
      const should = newest === null ? 'no bundle is to be trusted' : `version ${newest} is to be trusted`;
      const does = held === null ? 'none is' : `the table says version ${held}, or states it wrongly`;
      return { code: 'current-wrong', row, message: `by the history ${should} of ${name}, but ${does}` };
    });
}

/**
 * Finds incidents without an event of their beginning. Because an open incident is not chained yet,
 * that event is its only record.
 */
function incidentFindings(database: Database): Finding[] {
  const unheard = database
    .prepare<[], number>(
      `SELECT i.id FROM incident AS i WHERE NOT EXISTS (
         SELECT 1 FROM event AS e WHERE e.trust_domain = i.trust_domain AND e.at = i.began_at
           AND e.kind = i.kind AND e.code = i.code) ORDER BY i.id`,
    )
    .pluck()
    .all()
    .map(
      (id): Finding => ({
        code: 'incident-wrong',
        row: `incident ${id}`,
        message: `incident ${id} began without an event`,
      }),
    );
  return [...unheard, ...missingBetween(database, 'incident')];
}
