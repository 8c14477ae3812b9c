import type { Migration } from '../migration.ts';

/**
 * The signed heads of their histories that peers showed us. Because we keep them, a peer cannot
 * deny them later.
 */
export const peerHeads: Migration = {
  number: 7,
  name: 'heads that peers showed',
  sql: `
  -- Each head that a peer's agent signed and that we saw. Only ever added to.
  CREATE TABLE peer_head (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    seen_at TEXT NOT NULL,
    trust_domain TEXT NOT NULL,
    signed_at TEXT NOT NULL,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*'),
    -- Hash of the first link, which tells this history from every other.
    chain TEXT NOT NULL CHECK (length(chain) = 64 AND chain NOT GLOB '*[^0-9a-f]*'),
    signer TEXT NOT NULL,
    statement TEXT NOT NULL
  ) STRICT;
  CREATE INDEX peer_head_by_trust_domain ON peer_head (trust_domain, id);
  CREATE TRIGGER peer_head_is_not_changed BEFORE UPDATE ON peer_head
  BEGIN SELECT RAISE(ABORT, 'peer_head is history: nothing in it is changed'); END;
  CREATE TRIGGER peer_head_is_not_deleted BEFORE DELETE ON peer_head
  BEGIN SELECT RAISE(ABORT, 'peer_head is history: nothing in it is deleted'); END;
  CREATE TRIGGER peer_head_is_not_replaced BEFORE INSERT ON peer_head
  WHEN EXISTS (SELECT 1 FROM peer_head AS old WHERE old.id = NEW.id)
  BEGIN SELECT RAISE(ABORT, 'peer_head is history: nothing in it is replaced'); END;
`,
};
