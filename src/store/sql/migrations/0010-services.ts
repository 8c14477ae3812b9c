import type { Migration } from '../migration.ts';

// REPLACE deletes without firing the DELETE trigger, so a third trigger refuses it.
const appendOnly = (table: string, key: string) => `
  CREATE TRIGGER ${table}_is_not_changed BEFORE UPDATE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is changed'); END;
  CREATE TRIGGER ${table}_is_not_deleted BEFORE DELETE ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is deleted'); END;
  CREATE TRIGGER ${table}_is_not_replaced BEFORE INSERT ON ${table}
  WHEN EXISTS (SELECT 1 FROM ${table} AS old WHERE old.${key} = NEW.${key})
  BEGIN SELECT RAISE(ABORT, '${table} is history: nothing in it is replaced'); END;`;

/** Rows of this table end with the relationship that `column` names. */
const endsWithRelationship = (table: string, column: string) => `
  CREATE TRIGGER ${table}_ends_with_its_relationship AFTER DELETE ON relationship
  BEGIN DELETE FROM ${table} WHERE ${column} = OLD.trust_domain; END;`;

/**
 * Services: what we export and import, who may call, and every catalogue that was issued or
 * received. The table of the chain is created again, because its check must allow the new table.
 * A trigger takes the place of the check: a later migration can replace a trigger without a copy.
 */
export const services: Migration = {
  number: 10,
  name: 'services and who may call them',
  sql: `
  -- Services that the operator declared at the command line. Those of the mesh and of the config are not stored.
  CREATE TABLE own_service (
    id TEXT PRIMARY KEY,
    document TEXT NOT NULL CHECK (json_valid(document)),
    declared_at TEXT NOT NULL,
    actor TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- One row per service of ours and peer that may see it. The actor 'config' stands for the config file.
  CREATE TABLE service_export (
    service TEXT NOT NULL,
    consumer TEXT NOT NULL,
    since TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('serving', 'draining')),
    drain_until TEXT,
    actor TEXT NOT NULL,
    PRIMARY KEY (service, consumer),
    CHECK ((state = 'draining') = (drain_until IS NOT NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX service_export_by_consumer ON service_export (consumer);

  -- One row per rule about a service of ours.
  CREATE TABLE access_rule (
    service TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    document TEXT NOT NULL CHECK (json_valid(document)),
    since TEXT NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (service, rule_id)
  ) STRICT, WITHOUT ROWID;

  -- The last good catalogue of each peer. The document is its content, without sequence and expiry.
  CREATE TABLE held_catalogue (
    trust_domain TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    digest TEXT NOT NULL CHECK (length(digest) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    document TEXT NOT NULL CHECK (json_valid(document)),
    received_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- One row per service of a peer that we use, with the host name that callers here use.
  CREATE TABLE service_import (
    trust_domain TEXT NOT NULL,
    service TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    namespaces TEXT NOT NULL CHECK (json_type(namespaces) = 'array'),
    since TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('serving', 'draining', 'waiting', 'conflict', 'absent')),
    state_code TEXT,
    state_message TEXT,
    drain_until TEXT,
    -- What the owner offered when it was accepted last: the content of a catalogue with this service alone.
    offer TEXT CHECK (json_valid(offer)),
    actor TEXT NOT NULL,
    PRIMARY KEY (trust_domain, service),
    CHECK ((state_code IS NULL) = (state_message IS NULL)),
    CHECK ((state = 'draining') = (drain_until IS NOT NULL))
  ) STRICT, WITHOUT ROWID;
  ${endsWithRelationship('service_export', 'consumer')}
  ${endsWithRelationship('held_catalogue', 'trust_domain')}
  ${endsWithRelationship('service_import', 'trust_domain')}

  -- The content of catalogues, each once, by its SHA-256. Only ever added to.
  CREATE TABLE catalogue_document (
    digest TEXT PRIMARY KEY CHECK (length(digest) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    content TEXT NOT NULL CHECK (json_valid(content))
  ) STRICT, WITHOUT ROWID;

  -- Every catalogue that we issued to a peer or received from one, in its order. Only ever added to.
  CREATE TABLE catalogue_version (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    -- The peer: the audience of an issued catalogue, the owner of a received one.
    trust_domain TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('issued', 'received')),
    -- 1, 2, 3 … for each peer and direction.
    number INTEGER NOT NULL CHECK (number > 0),
    sequence INTEGER CHECK (sequence >= 0),
    -- SHA-256 of the content; it names a row of catalogue_document. A refused catalogue may have no stored content.
    digest TEXT CHECK (length(digest) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    verdict TEXT NOT NULL CHECK (verdict IN ('issued', 'accepted', 'quarantined', 'operator', 'refused')),
    reason_code TEXT,
    message TEXT,
    UNIQUE (trust_domain, direction, number),
    CHECK ((direction = 'issued') = (verdict = 'issued')),
    CHECK ((reason_code IS NULL) = (message IS NULL)),
    CHECK (verdict = 'refused' OR (sequence IS NOT NULL AND digest IS NOT NULL))
  ) STRICT;
  CREATE TRIGGER catalogue_version_has_its_document BEFORE INSERT ON catalogue_version
  WHEN NEW.verdict <> 'refused' AND NOT EXISTS (SELECT 1 FROM catalogue_document WHERE digest = NEW.digest)
  BEGIN SELECT RAISE(ABORT, 'a version refers to the content of its catalogue'); END;
  CREATE TRIGGER catalogue_version_is_in_order BEFORE INSERT ON catalogue_version
  WHEN NEW.direction = 'issued' AND NEW.sequence <= (
    SELECT max(sequence) FROM catalogue_version WHERE trust_domain = NEW.trust_domain AND direction = 'issued')
  BEGIN SELECT RAISE(ABORT, 'the sequence of a catalogue never goes backwards'); END;
  ${appendOnly('catalogue_document', 'digest')}
  ${appendOnly('catalogue_version', 'id')}

  -- What we export, for people.
  CREATE VIEW exports (service, consumer, state, since, drain_until, actor, catalogue_sequence) AS
  SELECT e.service, e.consumer, e.state, e.since, e.drain_until, e.actor,
    (SELECT max(sequence) FROM catalogue_version WHERE trust_domain = e.consumer AND direction = 'issued')
  FROM service_export AS e ORDER BY e.service, e.consumer;

  -- What we import, for people.
  CREATE VIEW imports (name, service, trust_domain, state, state_code, since, drain_until, actor, catalogue_sequence, catalogue_expires_at) AS
  SELECT i.name, i.service, i.trust_domain, i.state, i.state_code, i.since, i.drain_until, i.actor, c.sequence, c.expires_at
  FROM service_import AS i LEFT JOIN held_catalogue AS c USING (trust_domain) ORDER BY i.name;

  -- Heads refer to links, and all links are there again before the end of the transaction.
  PRAGMA defer_foreign_keys = ON;
  CREATE TEMP TABLE chain_before AS SELECT * FROM chain;
  DROP TABLE chain;

  -- The history as a chain: each link commits to the link before and to the whole row it names (docs/history.md).
  CREATE TABLE chain (
    number INTEGER PRIMARY KEY,
    table_name TEXT NOT NULL,
    row_id INTEGER NOT NULL,
    -- SHA-256 in hex over 'federate-chain-1', number, the hash before and the row as JSON, joined by line feeds.
    hash TEXT NOT NULL CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*')
  ) STRICT;
  INSERT INTO chain (number, table_name, row_id, hash) SELECT number, table_name, row_id, hash FROM chain_before ORDER BY number;
  DROP TABLE chain_before;
  CREATE TRIGGER chain_is_not_changed BEFORE UPDATE ON chain
  BEGIN SELECT RAISE(ABORT, 'chain is history: nothing in it is changed'); END;
  CREATE TRIGGER chain_is_not_deleted BEFORE DELETE ON chain
  BEGIN SELECT RAISE(ABORT, 'chain is history: nothing in it is deleted'); END;
  -- Keeps REPLACE out as well.
  CREATE TRIGGER chain_has_no_gap BEFORE INSERT ON chain
  WHEN NEW.number <> 1 + coalesce((SELECT max(number) FROM chain), 0)
  BEGIN SELECT RAISE(ABORT, 'links are numbered 1, 2, 3 without a gap'); END;
  CREATE TRIGGER chain_names_a_table BEFORE INSERT ON chain
  WHEN NEW.table_name NOT IN ('bundle_version', 'event', 'incident', 'key_distrust', 'offer_rejection', 'catalogue_version')
  BEGIN SELECT RAISE(ABORT, 'a link names a table of the history'); END;
`,
};
