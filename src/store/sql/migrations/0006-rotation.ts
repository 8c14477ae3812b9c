import type { Migration } from '../migration.ts';

/** The life of our own roots, and the progress that each peer reported for them. */
export const rotation: Migration = {
  number: 6,
  name: 'the life of our own roots',
  sql: `
  -- Each stage that a root of our own came to: published, in use, retiring, gone. Only ever added to.
  CREATE TABLE own_root_stage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    trust_domain TEXT NOT NULL,
    -- SHA-256 of the certificate.
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64 AND fingerprint NOT GLOB '*[^0-9a-f]*'),
    label TEXT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('published', 'in-use', 'retiring', 'gone')),
    -- How that is known: from our bundle, from the mesh, from the agent's own SVID, from the config, or because it is the only root.
    known_by TEXT NOT NULL CHECK (known_by IN ('bundle', 'mesh', 'own-svid', 'config', 'only-root'))
  ) STRICT;
  CREATE INDEX own_root_stage_by_root ON own_root_stage (trust_domain, fingerprint, id);
  CREATE TRIGGER own_root_stage_is_not_changed BEFORE UPDATE ON own_root_stage
  BEGIN SELECT RAISE(ABORT, 'own_root_stage is history: nothing in it is changed'); END;
  CREATE TRIGGER own_root_stage_is_not_deleted BEFORE DELETE ON own_root_stage
  BEGIN SELECT RAISE(ABORT, 'own_root_stage is history: nothing in it is deleted'); END;
  CREATE TRIGGER own_root_stage_is_not_replaced BEFORE INSERT ON own_root_stage
  WHEN EXISTS (SELECT 1 FROM own_root_stage AS old WHERE old.id = NEW.id)
  BEGIN SELECT RAISE(ABORT, 'own_root_stage is history: nothing in it is replaced'); END;

  -- Each root of our own with its life since it was published last: where it stands, and when it came to each stage.
  CREATE VIEW own_root (trust_domain, root, stage, since, known_by, published_at, in_use_at, retiring_at, gone_at, fingerprint) AS
  SELECT s.trust_domain, s.label, s.stage, s.at, s.known_by,
    max(CASE WHEN l.stage = 'published' THEN l.at END), max(CASE WHEN l.stage = 'in-use' THEN l.at END),
    max(CASE WHEN l.stage = 'retiring' THEN l.at END), max(CASE WHEN l.stage = 'gone' THEN l.at END), s.fingerprint
  FROM own_root_stage AS s
  JOIN own_root_stage AS l ON l.trust_domain = s.trust_domain AND l.fingerprint = s.fingerprint AND l.id >= (
    SELECT max(id) FROM own_root_stage
    WHERE trust_domain = s.trust_domain AND fingerprint = s.fingerprint AND stage = 'published')
  WHERE s.id = (SELECT max(id) FROM own_root_stage WHERE trust_domain = s.trust_domain AND fingerprint = s.fingerprint)
  GROUP BY s.id ORDER BY s.trust_domain, s.id;

  -- What each peer proved that it holds of our bundle, and how far that came in its mesh; one row per peer, the newest word.
  CREATE TABLE peer_holding (
    trust_domain TEXT PRIMARY KEY,
    digest TEXT NOT NULL CHECK (length(digest) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    sequence TEXT,
    held_since TEXT NOT NULL,
    progress TEXT CHECK (progress IN ('written', 'accepted', 'in-effect')),
    progress_since TEXT,
    signer TEXT NOT NULL,
    address TEXT NOT NULL,
    said_at TEXT NOT NULL,
    CHECK ((progress IS NULL) = (progress_since IS NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER peer_holding_ends_with_its_relationship AFTER DELETE ON relationship
  BEGIN DELETE FROM peer_holding WHERE trust_domain = OLD.trust_domain; END;
`,
};
