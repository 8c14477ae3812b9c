import type { Migration } from '../migration.ts';

// REPLACE deletes without firing the DELETE trigger, so a third trigger refuses it.
const appendOnly = (table: string) => `
  CREATE TRIGGER ${table}_is_not_changed BEFORE UPDATE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is changed'); END;
  CREATE TRIGGER ${table}_is_not_deleted BEFORE DELETE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is deleted'); END;
  CREATE TRIGGER ${table}_is_not_replaced BEFORE INSERT ON ${table}
  WHEN EXISTS (SELECT 1 FROM ${table} AS old WHERE old.id = NEW.id)
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is replaced'); END;`;

/**
 * The operator's decisions about single keys and single offers, and since when and how often an
 * incident saw its offer.
 */
export const operatorWords: Migration = {
  number: 3,
  name: "the operator's word about keys and offers",
  sql: `
  -- Each time a key was taken out of the trust, was let in again, or its time out was over. Only ever added to.
  CREATE TABLE key_distrust (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    trust_domain TEXT NOT NULL,
    -- SHA-256 of the public key (SubjectPublicKeyInfo), so that no other certificate brings it back.
    key_fingerprint TEXT NOT NULL CHECK (length(key_fingerprint) = 64 AND key_fingerprint NOT GLOB '*[^0-9a-f]*'),
    word TEXT NOT NULL CHECK (word IN ('distrusted', 'trusted-again', 'lapsed')),
    label TEXT NOT NULL,
    until TEXT,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    CHECK (until IS NULL OR word = 'distrusted')
  ) STRICT;
  CREATE INDEX key_distrust_by_key ON key_distrust (trust_domain, key_fingerprint, id);
  ${appendOnly('key_distrust')}

  -- The keys that are kept out now, whatever the bundles say.
  CREATE VIEW distrusted_key (trust_domain, key, key_fingerprint, since, until, actor, reason) AS
  SELECT d.trust_domain, d.label, d.key_fingerprint, d.at, d.until, d.actor, d.reason
  FROM key_distrust AS d
  WHERE d.word = 'distrusted' AND d.id = (
    SELECT max(id) FROM key_distrust
    WHERE trust_domain = d.trust_domain AND key_fingerprint = d.key_fingerprint)
  ORDER BY d.trust_domain, d.id;

  -- Each time an offered bundle was rejected for good, or the rejection was taken back. Only ever added to.
  CREATE TABLE offer_rejection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    trust_domain TEXT NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    word TEXT NOT NULL CHECK (word IN ('rejected', 'reconsidered')),
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
  ) STRICT;
  CREATE INDEX offer_rejection_by_offer ON offer_rejection (trust_domain, digest, id);
  ${appendOnly('offer_rejection')}

  -- The offers that are kept out for good now.
  CREATE VIEW rejected_offer (trust_domain, digest, since, actor, reason) AS
  SELECT r.trust_domain, r.digest, r.at, r.actor, r.reason
  FROM offer_rejection AS r
  WHERE r.word = 'rejected' AND r.id = (
    SELECT max(id) FROM offer_rejection WHERE trust_domain = r.trust_domain AND digest = r.digest)
  ORDER BY r.trust_domain, r.id;

  -- An incident goes on while its offers change: since when and how often the one it shows was seen.
  ALTER TABLE incident ADD COLUMN offered_digest TEXT;
  ALTER TABLE incident ADD COLUMN offered_since TEXT;
  ALTER TABLE incident ADD COLUMN offered_times INTEGER CHECK (offered_times > 0);

  -- What is trusted at this moment, and how fresh it is; "distrusted" are keys that do not count although they are listed.
  DROP VIEW trusted_now;
  CREATE VIEW trusted_now (trust_domain, version, sequence, since, keys, distrusted, state, last_success_at, next_poll_at) AS
  SELECT c.trust_domain, c.number, c.sequence, v.received_at,
    (SELECT group_concat(label, '; ') FROM (
      SELECT k.label FROM bundle_version_authority AS a JOIN authority_key AS k USING (trust_domain, fingerprint)
      WHERE a.trust_domain = c.trust_domain AND a.number = c.number AND a.change <> 'removed' ORDER BY k.label)),
    (SELECT group_concat(key, '; ') FROM distrusted_key AS d WHERE d.trust_domain = c.trust_domain),
    coalesce(r.state, 'own'), r.last_success_at, r.next_poll_at
  FROM current_bundle AS c
  JOIN bundle_version AS v ON v.trust_domain = c.trust_domain AND v.number = c.number
  LEFT JOIN relationship AS r ON r.trust_domain = c.trust_domain
  ORDER BY 1;
`,
};
