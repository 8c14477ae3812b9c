import type { Migration } from '../migration.ts';

/** The invitations that were issued and redeemed. */
export const invitations: Migration = {
  number: 4,
  name: 'invitations',
  sql: `
  -- One row per invitation, given ('inviter') or taken up ('newcomer'). The secret of its line is nowhere in here.
  CREATE TABLE invitation (
    id TEXT NOT NULL CHECK (length(id) = 16 AND id NOT GLOB '*[^0-9a-f]*'),
    role TEXT NOT NULL CHECK (role IN ('inviter', 'newcomer')),
    state TEXT NOT NULL CHECK (state IN ('open', 'redeeming', 'awaiting-approval', 'completed', 'burned', 'expired',
      'cancelled', 'failed')),
    state_code TEXT,
    state_message TEXT,
    -- The inviter's trust domain; or the one expected to redeem it, and then the one that did.
    peer TEXT,
    -- The public half of the key derived from the secret (Ed25519).
    public_key TEXT,
    require_approval INTEGER NOT NULL CHECK (require_approval IN (0, 1)),
    failed_tries INTEGER NOT NULL CHECK (failed_tries >= 0),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    ended_at TEXT,
    -- What both sides signed, and the words that both consoles show for it.
    transcript TEXT,
    words TEXT,
    -- The pins of the line, for the newcomer; and what the other side said of itself.
    root_pins TEXT,
    peer_statement TEXT,
    PRIMARY KEY (id, role),
    CHECK ((role = 'inviter') = (public_key IS NOT NULL)),
    CHECK ((state_code IS NULL) = (state_message IS NULL)),
    CHECK ((ended_at IS NOT NULL) = (state IN ('completed', 'burned', 'expired', 'cancelled', 'failed')))
  ) STRICT, WITHOUT ROWID;

  -- Used once is used: what has come to its end stays there, but for what a newcomer tried in vain.
  CREATE TRIGGER invitation_stays_ended BEFORE UPDATE ON invitation
  WHEN (OLD.ended_at IS NOT NULL AND NOT (OLD.role = 'newcomer' AND OLD.state = 'failed'))
    OR NEW.id <> OLD.id OR NEW.role <> OLD.role OR NEW.public_key IS NOT OLD.public_key
  BEGIN SELECT RAISE(ABORT, 'an invitation that has ended stays so'); END;
  CREATE TRIGGER invitation_is_not_deleted BEFORE DELETE ON invitation
  BEGIN SELECT RAISE(ABORT, 'invitation is history: nothing in it is deleted'); END;
  CREATE TRIGGER invitation_is_not_replaced BEFORE INSERT ON invitation
  WHEN EXISTS (SELECT 1 FROM invitation AS old WHERE old.id = NEW.id AND old.role = NEW.role)
  BEGIN SELECT RAISE(ABORT, 'invitation is history: nothing in it is replaced'); END;
`,
};
