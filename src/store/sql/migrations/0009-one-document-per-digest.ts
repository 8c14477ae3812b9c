import type { Migration } from '../migration.ts';

/**
 * A copy of the rule in `peer-head-rule.ts` from when this step was released. A released step is
 * never edited.
 */
const PEER_HEADS_KEPT = 64;

const RELATIONSHIP_COLUMNS = `trust_domain, state, state_code, state_message, endpoint_url, more_endpoint_urls, profile,
    endpoint_id, web_pki_ca_pem, agent_id, policy, stale_after_seconds, bootstrap, bootstrap_detail, last_attempt_at,
    last_success_at, next_poll_at, consecutive_failures, created_at`;

// REPLACE deletes without firing the DELETE trigger, so a third trigger refuses it.
const appendOnly = (table: string) => `
  CREATE TRIGGER ${table}_is_not_changed BEFORE UPDATE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is changed'); END;
  CREATE TRIGGER ${table}_is_not_deleted BEFORE DELETE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is deleted'); END;
  CREATE TRIGGER ${table}_is_not_replaced BEFORE INSERT ON ${table}
  WHEN EXISTS (SELECT 1 FROM ${table} AS old WHERE old.id = NEW.id)
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is replaced'); END;`;

// Where the list of keys begins in the canonical document. Before it stand only the sequence and
// the refresh hint.
const KEYS_AT = `instr(document, '"keys":[')`;

/**
 * Stores the keys of a bundle once, however often a peer goes back to them; versions refer to them.
 * The chain still commits to whole documents: `document_head` and the stored keys together are
 * exactly the earlier text. The table of relationships is created again, because its checks must
 * allow the state `flapping`.
 */
export const oneDocumentPerDigest: Migration = {
  number: 9,
  name: 'one stored document per digest',
  sql: `
  -- The keys of bundles, each list once: the text of a document from "keys" to its end. Only ever added to.
  CREATE TABLE bundle_keys (
    id INTEGER PRIMARY KEY,
    -- contentDigest of the bundle. The text is compared too, because an older release may have written another one.
    digest TEXT NOT NULL,
    content TEXT NOT NULL
  ) STRICT;
  CREATE INDEX bundle_keys_by_digest ON bundle_keys (digest);

  ALTER TABLE bundle_version ADD COLUMN document_head TEXT NOT NULL DEFAULT '';
  ALTER TABLE bundle_version ADD COLUMN keys_id INTEGER REFERENCES bundle_keys (id);
  DROP TRIGGER bundle_version_is_not_changed;
  CREATE TEMP TABLE document_part AS
    SELECT id, digest, substr(document, 1, max(0, ${KEYS_AT} - 1)) AS head,
      substr(document, max(1, ${KEYS_AT})) AS content
    FROM bundle_version;
  INSERT INTO bundle_keys (digest, content) SELECT DISTINCT digest, content FROM document_part;
  UPDATE bundle_version AS v SET document_head = p.head, keys_id = (
    SELECT k.id FROM bundle_keys AS k WHERE k.digest = p.digest AND k.content = p.content)
  FROM document_part AS p WHERE p.id = v.id;
  DROP TABLE document_part;
  ALTER TABLE bundle_version DROP COLUMN document;

  CREATE TRIGGER bundle_version_is_not_changed BEFORE UPDATE ON bundle_version
  BEGIN SELECT RAISE(ABORT, 'bundle_version is history: nothing in it is changed'); END;
  CREATE TRIGGER bundle_version_has_its_keys BEFORE INSERT ON bundle_version WHEN NEW.keys_id IS NULL
  BEGIN SELECT RAISE(ABORT, 'a version refers to the keys of its bundle'); END;
  ${appendOnly('bundle_keys')}

  -- Each version with its whole document, for people.
  CREATE VIEW bundle_document (trust_domain, version, sequence, digest, document) AS
  SELECT v.trust_domain, v.number, v.sequence, v.digest, v.document_head || k.content
  FROM bundle_version AS v JOIN bundle_keys AS k ON k.id = v.keys_id
  ORDER BY v.trust_domain, v.number;

  -- Peers are asked about single digests, and their views are compared by them.
  CREATE INDEX bundle_version_by_digest ON bundle_version (trust_domain, digest);
  -- How often incidents of one kind began lately decides whether they end (incident.ts).
  CREATE INDEX incident_by_beginning ON incident (trust_domain, kind, began_at);

  CREATE TEMP TABLE relationship_before AS SELECT * FROM relationship;
  DROP TABLE relationship;

  -- One row per peer whose bundle we keep fresh. Instants are UTC text, here and everywhere.
  CREATE TABLE relationship (
    trust_domain TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('pending', 'awaiting-approval', 'active', 'failing', 'flapping', 'stale',
      'quarantined', 'needs-bootstrap', 'removed')),
    state_code TEXT,
    state_message TEXT,
    endpoint_url TEXT NOT NULL,
    -- A JSON list of further addresses of the same endpoint, tried in order after endpoint_url.
    more_endpoint_urls TEXT NOT NULL DEFAULT '[]' CHECK (json_type(more_endpoint_urls) = 'array'),
    profile TEXT NOT NULL CHECK (profile IN ('https_web', 'https_spiffe', 'signed_bundle')),
    endpoint_id TEXT,
    web_pki_ca_pem TEXT,
    -- The SPIFFE ID whose signed statements count as the peer's own.
    agent_id TEXT,
    -- Which changes of its roots wait for the operator.
    policy TEXT NOT NULL DEFAULT 'ask-on-dangerous' CHECK (policy IN ('auto', 'ask-on-dangerous', 'ask-always')),
    -- Without a good poll for so long, the peer is not trusted until the next one.
    stale_after_seconds INTEGER CHECK (stale_after_seconds > 0),
    bootstrap TEXT NOT NULL CHECK (bootstrap IN ('bundle-file', 'bundle-pin', 'key-pin', 'web-pki', 'web-pki-private-ca',
      'invitation', 'signed-bundle')),
    bootstrap_detail TEXT NOT NULL,
    last_attempt_at TEXT,
    last_success_at TEXT,
    next_poll_at TEXT,
    consecutive_failures INTEGER NOT NULL CHECK (consecutive_failures >= 0),
    created_at TEXT NOT NULL,
    CHECK ((profile = 'https_web') = (endpoint_id IS NULL)),
    CHECK ((state_code IS NULL) = (state_message IS NULL))
  ) STRICT, WITHOUT ROWID;
  INSERT INTO relationship (${RELATIONSHIP_COLUMNS}) SELECT ${RELATIONSHIP_COLUMNS} FROM relationship_before;
  DROP TABLE relationship_before;
  CREATE TRIGGER peer_holding_ends_with_its_relationship AFTER DELETE ON relationship
  BEGIN DELETE FROM peer_holding WHERE trust_domain = OLD.trust_domain; END;

  -- Heads that a peer showed are thinned (peer-head-rule.ts). The newest ones of each peer always stay.
  DROP TRIGGER peer_head_is_not_deleted;
  CREATE TRIGGER peer_head_is_kept BEFORE DELETE ON peer_head
  WHEN ${PEER_HEADS_KEPT} > (
    SELECT count(*) FROM peer_head AS newer WHERE newer.trust_domain = OLD.trust_domain AND newer.id > OLD.id)
  BEGIN SELECT RAISE(ABORT, 'the newest heads of a peer stay'); END;
`,
};
