import type { Migration } from '../migration.ts';

// A sequence as canonical decimal text of an unsigned 64-bit integer: SQLite's own integers end at
// 2^63-1.
const IS_SEQUENCE = `CHECK (
    sequence NOT GLOB '*[^0-9]*' AND length(sequence) BETWEEN 1 AND 20
    AND (sequence = '0' OR sequence NOT GLOB '0*')
    AND (length(sequence) < 20 OR sequence <= '18446744073709551615'))`;

/**
 * SQL: whether the decimal text `a` is a smaller number than the decimal text `b`; null when one of
 * them is.
 */
const isLower = (a: string, b: string) =>
  `(length(${a}) < length(${b}) OR (length(${a}) = length(${b}) AND ${a} < ${b}))`;

// REPLACE deletes without firing the DELETE trigger, so a third trigger refuses it: a used key
// stays used.
const appendOnly = (table: string, key: string) => `
  CREATE TRIGGER ${table}_is_not_changed BEFORE UPDATE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is changed'); END;
  CREATE TRIGGER ${table}_is_not_deleted BEFORE DELETE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is deleted'); END;
  CREATE TRIGGER ${table}_is_not_replaced BEFORE INSERT ON ${table}
  WHEN EXISTS (SELECT 1 FROM ${table} AS old WHERE ${key})
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is replaced'); END;`;

const labels = (sign: '+' | '-', change: string, row: string) => `
  (SELECT group_concat(line, '; ') FROM (
    SELECT '${sign} ' || k.label AS line
    FROM bundle_version_authority AS a JOIN authority_key AS k USING (trust_domain, fingerprint)
    WHERE a.trust_domain = ${row}.trust_domain AND a.number = ${row}.${row === 'e' ? 'version_number' : 'number'}
      AND a.change ${change}
    ORDER BY k.label))`;

/** The first shape of the store. */
export const firstShape: Migration = {
  number: 1,
  name: 'first shape',
  sql: `
  -- One row per peer whose bundle we keep fresh. Instants are UTC text, here and everywhere.
  CREATE TABLE relationship (
    trust_domain TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'failing', 'quarantined', 'needs-bootstrap', 'removed')),
    state_code TEXT,
    state_message TEXT,
    endpoint_url TEXT NOT NULL,
    profile TEXT NOT NULL CHECK (profile IN ('https_web', 'https_spiffe')),
    endpoint_id TEXT,
    web_pki_ca_pem TEXT,
    bootstrap TEXT NOT NULL
      CHECK (bootstrap IN ('bundle-file', 'bundle-pin', 'key-pin', 'web-pki', 'web-pki-private-ca')),
    bootstrap_detail TEXT NOT NULL,
    last_attempt_at TEXT,
    last_success_at TEXT,
    next_poll_at TEXT,
    consecutive_failures INTEGER NOT NULL CHECK (consecutive_failures >= 0),
    created_at TEXT NOT NULL,
    CHECK ((profile = 'https_spiffe') = (endpoint_id IS NOT NULL)),
    CHECK ((state_code IS NULL) = (state_message IS NULL))
  ) STRICT, WITHOUT ROWID;

  -- The history: every bundle that was ever trusted, ours too. Only ever added to.
  CREATE TABLE bundle_version (
    id INTEGER PRIMARY KEY,
    trust_domain TEXT NOT NULL,
    number INTEGER NOT NULL,
    received_at TEXT NOT NULL,
    sequence TEXT ${IS_SEQUENCE},
    verdict TEXT NOT NULL CHECK (verdict IN ('bootstrap', 'accepted', 'own', 'operator')),
    origin TEXT NOT NULL,
    proved_by TEXT,
    digest TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (trust_domain, number)
  ) STRICT;

  -- Each key that was ever in a bundle. For people: the view "authority".
  CREATE TABLE authority_key (
    trust_domain TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('x509', 'jwt')),
    label TEXT NOT NULL,
    subject TEXT,
    key_fingerprint TEXT,
    not_before TEXT,
    not_after TEXT,
    pem TEXT,
    key_id TEXT,
    jwk TEXT,
    first_seen_at TEXT NOT NULL,
    PRIMARY KEY (trust_domain, fingerprint),
    CHECK ((kind = 'x509') = (pem IS NOT NULL)),
    CHECK ((kind = 'jwt') = (jwk IS NOT NULL))
  ) STRICT, WITHOUT ROWID;

  -- Which version had which key, and which it took away.
  CREATE TABLE bundle_version_authority (
    trust_domain TEXT NOT NULL,
    number INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    change TEXT NOT NULL CHECK (change IN ('added', 'kept', 'removed')),
    PRIMARY KEY (trust_domain, number, fingerprint),
    FOREIGN KEY (trust_domain, number) REFERENCES bundle_version (trust_domain, number),
    FOREIGN KEY (trust_domain, fingerprint) REFERENCES authority_key (trust_domain, fingerprint)
  ) STRICT, WITHOUT ROWID;

  -- What is trusted now. "sequence" is the highest one seen with this content.
  CREATE TABLE current_bundle (
    trust_domain TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    sequence TEXT ${IS_SEQUENCE},
    digest TEXT NOT NULL,
    FOREIGN KEY (trust_domain, number) REFERENCES bundle_version (trust_domain, number)
  ) STRICT, WITHOUT ROWID;

  -- The audit: who did what, and why. Only ever added to.
  CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    trust_domain TEXT,
    actor TEXT NOT NULL,
    code TEXT,
    message TEXT NOT NULL,
    version_number INTEGER,
    detail TEXT CHECK (detail IS NULL OR json_valid(detail)),
    FOREIGN KEY (trust_domain, version_number) REFERENCES bundle_version (trust_domain, number)
  ) STRICT;
  CREATE INDEX event_by_trust_domain ON event (trust_domain, id);

  -- Outages, refused and quarantined offers: one row each, however often it was seen.
  CREATE TABLE incident (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    began_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    ended_at TEXT,
    times INTEGER NOT NULL CHECK (times > 0),
    kind TEXT NOT NULL,
    trust_domain TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    origin TEXT NOT NULL,
    actor TEXT NOT NULL,
    sequence TEXT ${IS_SEQUENCE},
    offered_document TEXT
  ) STRICT;
  CREATE UNIQUE INDEX incident_open ON incident (trust_domain, kind, code) WHERE ended_at IS NULL;
  CREATE INDEX incident_by_trust_domain ON incident (trust_domain, id);

  -- What the agent must not forget about itself.
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  ${appendOnly(
    'bundle_version',
    'old.id = NEW.id OR (old.trust_domain = NEW.trust_domain AND old.number = NEW.number)',
  )}
  ${appendOnly('authority_key', 'old.trust_domain = NEW.trust_domain AND old.fingerprint = NEW.fingerprint')}
  ${appendOnly(
    'bundle_version_authority',
    'old.trust_domain = NEW.trust_domain AND old.number = NEW.number AND old.fingerprint = NEW.fingerprint',
  )}
  ${appendOnly('event', 'old.id = NEW.id')}

  CREATE TRIGGER bundle_version_is_the_next BEFORE INSERT ON bundle_version
  WHEN NEW.number <> 1 + coalesce(
    (SELECT max(number) FROM bundle_version WHERE trust_domain = NEW.trust_domain), 0)
  BEGIN SELECT RAISE(ABORT, 'versions are numbered 1, 2, 3 without a gap'); END;

  CREATE TRIGGER bundle_version_never_goes_back BEFORE INSERT ON bundle_version
  WHEN NEW.verdict <> 'operator' AND EXISTS (
    SELECT 1 FROM current_bundle AS held
    WHERE held.trust_domain = NEW.trust_domain AND ${isLower('NEW.sequence', 'held.sequence')})
  BEGIN SELECT RAISE(ABORT, 'sequence-rolled-back'); END;

  CREATE TRIGGER current_bundle_begins_with_the_newest BEFORE INSERT ON current_bundle
  WHEN NOT EXISTS (
    SELECT 1 FROM bundle_version AS v
    WHERE v.trust_domain = NEW.trust_domain AND v.number = NEW.number AND v.digest = NEW.digest
      AND v.number = (SELECT max(number) FROM bundle_version WHERE trust_domain = NEW.trust_domain))
  BEGIN SELECT RAISE(ABORT, 'only the newest version becomes the current one'); END;

  CREATE TRIGGER current_bundle_goes_to_the_newest BEFORE UPDATE ON current_bundle
  WHEN NEW.trust_domain <> OLD.trust_domain OR NOT EXISTS (
    SELECT 1 FROM bundle_version AS v
    WHERE v.trust_domain = NEW.trust_domain AND v.number = NEW.number AND v.digest = NEW.digest
      AND v.number = (SELECT max(number) FROM bundle_version WHERE trust_domain = NEW.trust_domain))
  BEGIN SELECT RAISE(ABORT, 'only the newest version becomes the current one'); END;

  CREATE TRIGGER current_bundle_never_goes_back BEFORE UPDATE ON current_bundle
  WHEN NEW.number = OLD.number AND (
    ${isLower('NEW.sequence', 'OLD.sequence')} OR (NEW.sequence IS NULL AND OLD.sequence IS NOT NULL))
  BEGIN SELECT RAISE(ABORT, 'sequence-rolled-back'); END;

  CREATE TRIGGER incident_is_not_deleted BEFORE DELETE ON incident
  BEGIN SELECT RAISE(ABORT, 'incident is history: nothing in it is deleted'); END;
  CREATE TRIGGER incident_is_not_replaced BEFORE INSERT ON incident
  WHEN EXISTS (SELECT 1 FROM incident AS old WHERE old.id = NEW.id OR (old.ended_at IS NULL
    AND old.trust_domain = NEW.trust_domain AND old.kind = NEW.kind AND old.code = NEW.code))
  BEGIN SELECT RAISE(ABORT, 'incident is history: nothing in it is replaced'); END;
  CREATE TRIGGER incident_stays_ended BEFORE UPDATE ON incident
  WHEN OLD.ended_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.began_at <> OLD.began_at OR NEW.times < OLD.times
    OR NEW.kind <> OLD.kind OR NEW.trust_domain <> OLD.trust_domain OR NEW.code <> OLD.code
  BEGIN SELECT RAISE(ABORT, 'incident is history: only one that goes on is counted up or ended'); END;

  -- The story of every trust domain: one line per version, incident and end of trust.
  CREATE VIEW bundle_rotation (at, trust_domain, version, sequence, added, removed, verdict, origin, note) AS
  SELECT v.received_at, v.trust_domain, v.number, v.sequence,
    ${labels('+', "= 'added'", 'v')}, ${labels('-', "= 'removed'", 'v')}, v.verdict, v.origin,
    (SELECT CASE count(*) WHEN 0 THEN 'trusts no key' WHEN 1 THEN 'trusts 1 key' ELSE 'trusts ' || count(*) || ' keys' END
     FROM bundle_version_authority AS a
     WHERE a.trust_domain = v.trust_domain AND a.number = v.number AND a.change <> 'removed')
  FROM bundle_version AS v
  UNION ALL
  SELECT i.began_at, i.trust_domain, NULL, i.sequence, NULL, NULL,
    CASE i.kind WHEN 'endpoint-unreachable' THEN 'unreachable' WHEN 'bundle-refused' THEN 'refused'
      WHEN 'bundle-quarantined' THEN 'quarantined' ELSE i.kind END,
    i.origin,
    i.code || ', seen ' || CASE i.times WHEN 1 THEN 'once' ELSE i.times || ' times' END
      || CASE WHEN i.ended_at IS NULL THEN ', going on' ELSE ', over at ' || i.ended_at END
  FROM incident AS i
  UNION ALL
  SELECT e.at, e.trust_domain, NULL, NULL, NULL, ${labels('-', "<> 'removed'", 'e')}, 'removed', e.actor, e.message
  FROM event AS e WHERE e.kind = 'relationship-removed'
  ORDER BY 1, 2, 3 NULLS LAST;

  -- Each key with its life: when it came, when it was last part of a fresh bundle, whether it is trusted now.
  CREATE VIEW authority (trust_domain, key, kind, trusted, first_seen_at, last_seen_at, not_before, not_after,
    subject, fingerprint, key_fingerprint, key_id, pem, jwk) AS
  SELECT k.trust_domain, k.label, k.kind, CASE WHEN c.number IS NULL THEN 'no' ELSE 'yes' END, k.first_seen_at,
    CASE WHEN c.number IS NOT NULL THEN max(v.received_at, coalesce(r.last_success_at, v.received_at))
      WHEN a.change = 'removed' THEN v.received_at
      ELSE coalesce((
        SELECT max(e.at) FROM event AS e
        WHERE e.trust_domain = k.trust_domain AND e.kind = 'relationship-removed' AND e.version_number = a.number
      ), v.received_at) END,
    k.not_before, k.not_after, k.subject, k.fingerprint, k.key_fingerprint, k.key_id, k.pem, k.jwk
  FROM authority_key AS k
  JOIN (
    -- SQLite takes "change" from the row that has the maximum.
    SELECT trust_domain, fingerprint, max(number) AS number, change
    FROM bundle_version_authority GROUP BY trust_domain, fingerprint
  ) AS a USING (trust_domain, fingerprint)
  JOIN bundle_version AS v ON v.trust_domain = a.trust_domain AND v.number = a.number
  LEFT JOIN current_bundle AS c ON c.trust_domain = a.trust_domain AND c.number = a.number AND a.change <> 'removed'
  LEFT JOIN relationship AS r ON r.trust_domain = k.trust_domain
  ORDER BY 1, 5, 2;

  -- What is trusted at this moment, and how fresh it is.
  CREATE VIEW trusted_now (trust_domain, version, sequence, since, keys, state, last_success_at, next_poll_at) AS
  SELECT c.trust_domain, c.number, c.sequence, v.received_at,
    (SELECT group_concat(label, '; ') FROM (
      SELECT k.label FROM bundle_version_authority AS a JOIN authority_key AS k USING (trust_domain, fingerprint)
      WHERE a.trust_domain = c.trust_domain AND a.number = c.number AND a.change <> 'removed' ORDER BY k.label)),
    coalesce(r.state, 'own'), r.last_success_at, r.next_poll_at
  FROM current_bundle AS c
  JOIN bundle_version AS v ON v.trust_domain = c.trust_domain AND v.number = c.number
  LEFT JOIN relationship AS r ON r.trust_domain = c.trust_domain
  ORDER BY 1;
`,
};
