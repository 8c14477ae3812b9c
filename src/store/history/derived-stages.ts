import type { Database } from 'better-sqlite3';
import type { Finding } from './history-finding.ts';

/**
 * Compares the stages of our own roots with the chained events. Each row must have its event, each
 * event its row, and the label must be that of the key. Because people and the gate of a rotation
 * rely on the stages, they must follow from the chain.
 */
export function rootStageFindings(database: Database): Finding[] {
  const rows = database
    .prepare<[], { readonly id: number; readonly stage: string; readonly recorded: 0 | 1 }>(
      `SELECT s.id, s.stage, s.recorded FROM (
         SELECT s.id, s.stage, substr(s.label, 1, 100) <> substr(k.label, 1, 100) AS mislabelled, EXISTS (
           SELECT 1 FROM event AS e WHERE e.kind = 'root-' || s.stage AND e.at = s.at
             AND e.trust_domain = s.trust_domain AND e.detail ->> '$.fingerprint' = s.fingerprint) AS recorded
         FROM own_root_stage AS s
         LEFT JOIN authority_key AS k ON k.trust_domain = s.trust_domain AND k.fingerprint = s.fingerprint
       ) AS s WHERE NOT s.recorded OR s.mislabelled ORDER BY s.id`,
    )
    .all()
    .map(({ id, stage, recorded }): Finding => {
      const row = `own_root_stage ${id}`;
      const why = recorded ? 'has another label than its root' : `says "${stage}", which no event reports`;
      return { code: 'stage-wrong', row, message: `${row} ${why}` };
    });
  const events = database
    .prepare<[], number>(
      `SELECT e.id FROM event AS e
       WHERE e.kind IN ('root-published', 'root-in-use', 'root-retiring', 'root-gone') AND NOT EXISTS (
         SELECT 1 FROM own_root_stage AS s WHERE e.kind = 'root-' || s.stage AND e.at = s.at
           AND e.trust_domain = s.trust_domain AND e.detail ->> '$.fingerprint' = s.fingerprint) ORDER BY e.id`,
    )
    .pluck()
    .all()
    .map(
      (id): Finding => ({
        code: 'stage-wrong',
        row: `event ${id}`,
        message: `event ${id} reports a stage of our own root that own_root_stage does not have`,
      }),
    );
  return [...rows, ...events];
}
