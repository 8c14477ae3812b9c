import type { Database } from 'better-sqlite3';
import { parseTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import type { NewEvent } from '../model/event.ts';
import {
  cleanStageChange,
  livesOf,
  type RootLife,
  type RootStage,
  type RootStageChange,
  type StageEvidence,
} from '../model/own-root.ts';
import { type HoldingRow, holdingOfRow, rowOfHolding, type StoredHolding } from '../model/peer-holding.ts';

interface StageRow {
  readonly at: string;
  readonly trust_domain: string;
  readonly fingerprint: string;
  readonly label: string;
  readonly stage: RootStage;
  readonly known_by: StageEvidence;
}

/** Most roots that are returned, those with the newest stages. The table has the others. */
const MOST_ROOTS = 256;

/** The life of our own roots and the holdings of peers, in SQL. `addEvent` adds an event. */
export function createRotationTables(database: Database, addEvent: (event: NewEvent) => void) {
  const selectStages = database.prepare<[string, string, number], StageRow>(
    `SELECT at, trust_domain, fingerprint, label, stage, known_by FROM own_root_stage
     WHERE trust_domain = ? AND fingerprint IN (
       SELECT fingerprint FROM own_root_stage WHERE trust_domain = ? GROUP BY fingerprint ORDER BY max(id) DESC LIMIT ?)
     ORDER BY id`,
  );
  const insertStage = database.prepare<[string, string, string, string, string, string]>(
    `INSERT INTO own_root_stage (at, trust_domain, fingerprint, label, stage, known_by) VALUES (?, ?, ?, ?, ?, ?)`,
  );
  const selectHoldings = database.prepare<[], HoldingRow>(
    `SELECT trust_domain, digest, sequence, held_since, progress, progress_since, signer, address, said_at
     FROM peer_holding ORDER BY trust_domain`,
  );
  const upsertHolding = database.prepare<HoldingRow>(
    `INSERT INTO peer_holding (trust_domain, digest, sequence, held_since, progress, progress_since, signer, address, said_at)
     SELECT $trust_domain, $digest, $sequence, $held_since, $progress, $progress_since, $signer, $address, $said_at
     WHERE EXISTS (SELECT 1 FROM relationship WHERE trust_domain = $trust_domain)
     ON CONFLICT DO UPDATE SET digest = excluded.digest, sequence = excluded.sequence, held_since = excluded.held_since,
       progress = excluded.progress, progress_since = excluded.progress_since, signer = excluded.signer,
       address = excluded.address, said_at = excluded.said_at`,
  );
  return {
    reads: {
      rootLives: (trustDomain: TrustDomain): RootLife[] =>
        livesOf(selectStages.all(trustDomain, trustDomain, MOST_ROOTS).map(stageOf)),
      peerHoldings: (): StoredHolding[] => selectHoldings.all().map(holdingOfRow),
    },
    writes: {
      recordRootStages(
        changes: readonly { readonly change: RootStageChange; readonly event: NewEvent }[],
      ): void {
        for (const { change, event } of changes) {
          const { at, trustDomain, fingerprint, label, stage, knownBy } = cleanStageChange(change);
          insertStage.run(at.toISOString(), trustDomain, fingerprint, label, stage, knownBy);
          addEvent(event);
        }
      },
      recordPeerHolding: (holding: StoredHolding): void => void upsertHolding.run(rowOfHolding(holding)),
    },
  };
}

function stageOf(row: StageRow): RootStageChange {
  return {
    at: new Date(row.at),
    trustDomain: parseTrustDomain(row.trust_domain),
    fingerprint: row.fingerprint,
    label: row.label,
    stage: row.stage,
    knownBy: row.known_by,
  };
}
