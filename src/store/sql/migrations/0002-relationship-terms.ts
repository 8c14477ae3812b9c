import type { Migration } from '../migration.ts';

const OLD_COLUMNS = `trust_domain, state, state_code, state_message, endpoint_url, profile, endpoint_id, web_pki_ca_pem,
    bootstrap, bootstrap_detail, last_attempt_at, last_success_at, next_poll_at, consecutive_failures, created_at`;

/**
 * The terms an operator may agree on with a peer: more addresses, which changes need no approval,
 * the maximum age of its bundle, whose signature counts. The table is created again, because SQLite
 * cannot change its checks.
 */
export const relationshipTerms: Migration = {
  number: 2,
  name: 'the terms of a relationship',
  sql: `
  CREATE TEMP TABLE relationship_before AS SELECT * FROM relationship;
  DROP TABLE relationship;

  -- One row per peer whose bundle we keep fresh. Instants are UTC text, here and everywhere.
  CREATE TABLE relationship (
    trust_domain TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('pending', 'awaiting-approval', 'active', 'failing', 'stale', 'quarantined',
      'needs-bootstrap', 'removed')),
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
    -- With no good poll for so long, the peer is trusted no more until the next one.
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

  INSERT INTO relationship (${OLD_COLUMNS}) SELECT ${OLD_COLUMNS} FROM relationship_before;
  DROP TABLE relationship_before;
`,
};
