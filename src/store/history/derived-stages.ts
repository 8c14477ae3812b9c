import type { Database } from 'better-sqlite3';
import type { Finding } from './history-finding.ts';

/**
 * The stages of our own roots repeat, for people and for the gate of a rotation, what chained
 * events tell: each row has its event, each event its row, and the label is that of the key.
 */
export function rootStageFindings(database: Database): Finding[] {
  const rows = database
    .prepare<[], { readonly id: number; readonly stage: string; readonly told: 0 | 1 }>(
      `SELECT s.id, s.stage, s.told FROM (
         SELECT s.id, s.stage, substr(s.label, 1, 100) <> substr(k.label, 1, 100) AS mislabelled, EXISTS (
           SELECT 1 FROM event AS e WHERE e.kind = 'root-' || s.stage AND e.at = s.at
             AND e.trust_domain = s.trust_domain AND e.detail ->> '$.fingerprint' = s.fingerprint) AS told
         FROM own_root_stage AS s
         LEFT JOIN authority_key AS k ON k.trust_domain = s.trust_domain AND k.fingerprint = s.fingerprint
       ) AS s WHERE NOT s.told OR s.mislabelled ORDER BY s.id`,
    )
    .all()
    .map(({ id, stage, told }): Finding => {
      const row = `own_root_stage ${id}`;
      const why = told
        ? 'calls its root otherwise than it is called'
        : `says "${stage}", of which no event tells`;
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
        message: `event ${id} tells of a stage of our own root that own_root_stage does not have`,
      }),
    );
  return [...rows, ...events];
}
