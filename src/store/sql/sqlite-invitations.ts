import type { Database } from 'better-sqlite3';
import { defined, given } from '../../objects/index.ts';
import { parseTrustDomain } from '../../spiffe/index.ts';
import { checkPage } from '../model/arguments.ts';
import { invitationExists } from '../model/errors.ts';
import type { NewEvent } from '../model/event.ts';
import {
  changedInvitation,
  cleanInvitation,
  type InvitationChange,
  type InvitationRole,
  type StoredInvitation,
} from '../model/invitation.ts';
import { dateFrom } from './stored-instant.ts';

type InvitationRow = ReturnType<typeof rowOf>;

const COLUMNS = [
  'id',
  'role',
  'state',
  'state_code',
  'state_message',
  'peer',
  'public_key',
  'require_approval',
  'failed_tries',
  'created_at',
  'created_by',
  'expires_at',
  'ended_at',
  'transcript',
  'words',
  'root_pins',
  'peer_statement',
] as const satisfies readonly (keyof InvitationRow)[];

/**
 * The invitations, in SQL. `addEvent` adds an event. `change` is for other transactions; it returns
 * false when the invitation is in none of the states that the change names.
 */
export function createInvitationTable(database: Database, addEvent: (event: NewEvent) => void) {
  const select = database.prepare<[string, string], InvitationRow>(
    `SELECT ${COLUMNS.join(', ')} FROM invitation WHERE id = ? AND role = ?`,
  );
  const selectNewest = database.prepare<[number], InvitationRow>(
    `SELECT ${COLUMNS.join(', ')} FROM invitation ORDER BY created_at DESC, id, role LIMIT ?`,
  );
  const insert = database.prepare<[InvitationRow]>(
    `INSERT INTO invitation (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((name) => `$${name}`).join(', ')})`,
  );
  const update = database.prepare<[InvitationRow]>(
    `UPDATE invitation SET ${COLUMNS.map((name) => `${name} = $${name}`).join(', ')}
     WHERE id = $id AND role = $role`,
  );
  const invitation = (role: InvitationRole, id: string): StoredInvitation | undefined =>
    given(select.get(id, role), invitationOf);
  const change = (wanted: InvitationChange): boolean => {
    const after = changedInvitation(invitation(wanted.role, wanted.id), wanted);
    if (after) update.run(rowOf(after));
    return after !== undefined;
  };
  return {
    change,
    reads: {
      invitation,
      invitations: (page: { readonly limit?: number } = {}): StoredInvitation[] =>
        selectNewest.all(checkPage(page).limit).map(invitationOf),
    },
    writes: {
      addInvitation(added: StoredInvitation, event: NewEvent): void {
        const row = rowOf(cleanInvitation(added));
        if (select.get(row.id, row.role)) throw invitationExists(row.id);
        insert.run(row);
        addEvent(event);
      },
      changeInvitation(wanted: InvitationChange, event?: NewEvent): boolean {
        const done = change(wanted);
        if (done && event) addEvent(event);
        return done;
      },
    },
  };
}

function rowOf(invitation: StoredInvitation) {
  return {
    id: invitation.id,
    role: invitation.role,
    state: invitation.state,
    state_code: invitation.reason?.code ?? null,
    state_message: invitation.reason?.message ?? null,
    peer: invitation.peer ?? null,
    public_key: invitation.publicKey ?? null,
    require_approval: Number(invitation.requireApproval),
    failed_tries: invitation.failedTries,
    created_at: invitation.createdAt.toISOString(),
    created_by: invitation.createdBy,
    expires_at: invitation.expiresAt.toISOString(),
    ended_at: invitation.endedAt?.toISOString() ?? null,
    transcript: invitation.transcript ?? null,
    words: invitation.words ?? null,
    root_pins: invitation.rootPins === undefined ? null : invitation.rootPins.join(' '),
    peer_statement: invitation.peerStatement ?? null,
  };
}

function invitationOf(row: InvitationRow): StoredInvitation {
  const { state_code: code, state_message: message } = row;
  return {
    id: row.id,
    role: row.role,
    state: row.state,
    ...(code === null || message === null ? {} : { reason: { code, message } }),
    ...defined({ peer: given(row.peer, parseTrustDomain), publicKey: row.public_key ?? undefined }),
    requireApproval: row.require_approval === 1,
    failedTries: row.failed_tries,
    createdAt: new Date(row.created_at),
    createdBy: row.created_by,
    expiresAt: new Date(row.expires_at),
    ...defined({
      endedAt: given(row.ended_at, dateFrom),
      transcript: row.transcript ?? undefined,
      words: row.words ?? undefined,
    }),
    ...(row.root_pins === null ? {} : { rootPins: row.root_pins.split(' ') }),
    ...defined({ peerStatement: row.peer_statement ?? undefined }),
  };
}
