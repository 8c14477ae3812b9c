import type { Database } from 'better-sqlite3';
import { parseTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { checkPage } from '../model/arguments.ts';
import type { PeerHead } from '../model/chain.ts';
import { PEER_HEAD_DAYS_KEPT, PEER_HEADS_KEPT } from '../model/peer-head-rule.ts';

interface PeerHeadRow {
  readonly seen_at: string;
  readonly trust_domain: string;
  readonly signed_at: string;
  readonly number: number;
  readonly hash: string;
  readonly chain: string;
  readonly signer: string;
  readonly statement: string;
}

const COLUMNS = 'seen_at, trust_domain, signed_at, number, hash, chain, signer, statement';

/** The heads that peers showed us, in SQL. */
export function createPeerHeadTable(database: Database) {
  const select = database.prepare<[string, number], PeerHeadRow>(
    `SELECT ${COLUMNS} FROM peer_head WHERE trust_domain = ? ORDER BY id DESC LIMIT ?`,
  );
  const insert = database.prepare<[PeerHeadRow]>(
    `INSERT INTO peer_head (${COLUMNS})
     VALUES ($seen_at, $trust_domain, $signed_at, $number, $hash, $chain, $signer, $statement)`,
  );
  const thin = database.prepare<[string, string, number, string, number]>(
    `DELETE FROM peer_head WHERE trust_domain = ?
       AND id NOT IN (SELECT id FROM peer_head WHERE trust_domain = ? ORDER BY id DESC LIMIT ?)
       AND id NOT IN (SELECT max(id) FROM peer_head WHERE trust_domain = ?
         GROUP BY substr(seen_at, 1, 10) ORDER BY substr(seen_at, 1, 10) DESC LIMIT ?)`,
  );
  return {
    reads: {
      peerHeads: (trustDomain: TrustDomain, page: { readonly limit?: number } = {}): PeerHead[] =>
        select.all(trustDomain, checkPage(page).limit).map((row) => ({
          trustDomain: parseTrustDomain(row.trust_domain),
          seenAt: new Date(row.seen_at),
          at: new Date(row.signed_at),
          number: row.number,
          hash: row.hash,
          chain: row.chain,
          signer: row.signer,
          statement: row.statement,
        })),
    },
    writes: {
      /** Adds a head, and thins those of its peer by the rule in `peer-head-rule.ts`. */
      recordPeerHead: (head: PeerHead): void => {
        insert.run({
          seen_at: head.seenAt.toISOString(),
          trust_domain: head.trustDomain,
          signed_at: head.at.toISOString(),
          number: head.number,
          hash: head.hash,
          chain: head.chain,
          signer: head.signer,
          statement: head.statement,
        });
        const { trustDomain: name } = head;
        thin.run(name, name, PEER_HEADS_KEPT, name, PEER_HEAD_DAYS_KEPT);
      },
    },
  };
}
