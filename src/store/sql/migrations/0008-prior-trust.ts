import { hash } from 'node:crypto';
import { jwkText } from '../../../spiffe/index.ts';
import type { Migration } from '../migration.ts';

interface HeldNow {
  readonly trust_domain: string;
  readonly key_fingerprint: string | null;
  readonly jwk: string | null;
  readonly since: string;
  readonly vouched: number;
}

/**
 * Since when each key of a peer is held, and the sequence that counted when the current content
 * came.
 */
export const priorTrust: Migration = {
  number: 8,
  name: 'what offers are judged by',
  sql: `
  -- Each key that is held of a peer, by what it is: a root by the SHA-256 of its public key, a JWT key by that of its JWK.
  CREATE TABLE held_key (
    trust_domain TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('x509', 'jwt')),
    key TEXT NOT NULL CHECK (length(key) = 64 AND key NOT GLOB '*[^0-9a-f]*'),
    since TEXT NOT NULL,
    -- Whether the bootstrap or an operator brought it.
    vouched INTEGER NOT NULL CHECK (vouched IN (0, 1)),
    -- Since when the bundle has no key of this kind at all; and whether this one counts as held when it is offered again.
    gone_at TEXT,
    known INTEGER NOT NULL CHECK (known IN (0, 1)),
    PRIMARY KEY (trust_domain, kind, key)
  ) STRICT, WITHOUT ROWID;

  -- The number that counted when the current content came: what a later number is compared with.
  CREATE TABLE sequence_anchor (
    trust_domain TEXT PRIMARY KEY,
    sequence TEXT NOT NULL,
    -- The number from which it was reached by a leap, and when: its owner may still count from there.
    former TEXT,
    former_at TEXT,
    CHECK ((former IS NULL) = (former_at IS NULL))
  ) STRICT, WITHOUT ROWID;
  INSERT INTO sequence_anchor (trust_domain, sequence)
  SELECT trust_domain, sequence FROM current_bundle JOIN relationship USING (trust_domain) WHERE sequence IS NOT NULL;
`,
  fill(database) {
    // A key is held since the last version that added it.
    const rows = database
      .prepare<[], HeldNow>(
        `SELECT c.trust_domain, k.key_fingerprint, k.jwk, v.received_at AS since,
           max(v.verdict IN ('bootstrap', 'operator')) AS vouched
         FROM current_bundle AS c
         JOIN relationship AS r USING (trust_domain)
         JOIN bundle_version_authority AS held
           ON held.trust_domain = c.trust_domain AND held.number = c.number AND held.change <> 'removed'
         JOIN authority_key AS k ON k.trust_domain = c.trust_domain AND k.fingerprint = held.fingerprint
         JOIN bundle_version AS v ON v.trust_domain = c.trust_domain AND v.number = (
           SELECT max(number) FROM bundle_version_authority AS a
           WHERE a.trust_domain = c.trust_domain AND a.fingerprint = held.fingerprint AND a.change = 'added')
         GROUP BY c.trust_domain, held.fingerprint ORDER BY v.received_at DESC`,
      )
      .all();
    // Of several certificates with one key the oldest counts: it comes last.
    const put = database.prepare<[string, string, string, string, number]>(
      `INSERT INTO held_key (trust_domain, kind, key, since, vouched, known) VALUES (?, ?, ?, ?, ?, 1)
       ON CONFLICT DO UPDATE SET since = excluded.since, vouched = max(vouched, excluded.vouched)`,
    );
    for (const { trust_domain: name, key_fingerprint: root, jwk, since, vouched } of rows) {
      const key = root ?? hash('sha256', jwkText(JSON.parse(jwk ?? '{}')), 'hex');
      put.run(name, root === null ? 'jwt' : 'x509', key, since, vouched);
    }
  },
};
