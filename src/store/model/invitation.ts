import { printable } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { StateReason } from './relationship.ts';

/** Our side of an invitation. */
export type InvitationRole = 'inviter' | 'newcomer';

/**
 * The state of an invitation. Inviter: may be redeemed · redeemed, and waits for our operator ·
 * done · three wrong attempts · expired · revoked. Newcomer: sent to the inviter, whose answer is
 * not known yet · waits for the inviter's operator · done · failed.
 */
export type InvitationState =
  | 'open'
  | 'redeeming'
  | 'awaiting-approval'
  | 'completed'
  | 'burned'
  | 'expired'
  | 'cancelled'
  | 'failed';

/** An invitation that we issued or redeemed. It holds no secret. */
export interface StoredInvitation {
  /** 16 hex digits. One ID can exist twice, once for each role. */
  readonly id: string;
  readonly role: InvitationRole;
  readonly state: InvitationState;
  readonly reason?: StateReason;
  /** Newcomer: the inviter's trust domain. Inviter: the expected redeemer, later the actual one. */
  readonly peer?: TrustDomain;
  /** Inviter: the public half of the key derived from the secret, 64 hex digits. */
  readonly publicKey?: string;
  readonly requireApproval: boolean;
  readonly failedTries: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
  /** When it ended. */
  readonly endedAt?: Date;
  /** SHA-256 of what both sides signed, 64 hex digits. */
  readonly transcript?: string;
  /** The code that both consoles show. */
  readonly words?: string;
  /** Newcomer: the pins in the line, 32 hex digits each. */
  readonly rootPins?: readonly string[];
  /** What the peer stated about itself, verbatim. */
  readonly peerStatement?: string;
}

/** The fields of an invitation that may change; a field left out stays. */
export type InvitationPatch = Partial<
  Pick<
    StoredInvitation,
    | 'state'
    | 'reason'
    | 'peer'
    | 'failedTries'
    | 'endedAt'
    | 'transcript'
    | 'words'
    | 'peerStatement'
    | 'createdAt'
    | 'createdBy'
    | 'expiresAt'
    | 'rootPins'
  >
>;

/**
 * A change that names the states it may start from. Because of that, the later of two changes has
 * no effect.
 */
export interface InvitationChange {
  readonly id: string;
  readonly role: InvitationRole;
  readonly from: readonly InvitationState[];
  readonly patch: InvitationPatch;
}

/**
 * States after which an invitation is history. Only a newcomer's failed attempt may be tried again.
 */
const ENDED_STATES: ReadonlySet<InvitationState> = new Set([
  'completed',
  'burned',
  'expired',
  'cancelled',
  'failed',
]);

/** The invitation as it is stored. Throws `TypeError` for a malformed ID or key. */
export function cleanInvitation(invitation: StoredInvitation): StoredInvitation {
  const { id, publicKey, transcript, reason } = invitation;
  if (!/^[0-9a-f]{16}$/.test(id)) throw new TypeError('the ID of an invitation has 16 hex digits');
  for (const hex of [publicKey, transcript])
    if (hex !== undefined && !/^[0-9a-f]{64}$/.test(hex))
      throw new TypeError('a public key and a transcript have 64 hex digits');
  return {
    ...invitation,
    createdBy: printable(invitation.createdBy, 100),
    ...(reason
      ? { reason: { code: printable(reason.code, 100), message: printable(reason.message, 1000) } }
      : {}),
  };
}

/**
 * The invitation with a change applied; undefined where it is in none of the states that the change
 * names.
 */
export function changedInvitation(
  before: StoredInvitation | undefined,
  { from, patch }: InvitationChange,
): StoredInvitation | undefined {
  if (!before || !from.includes(before.state)) return undefined;
  if (ENDED_STATES.has(before.state) && !(before.role === 'newcomer' && before.state === 'failed'))
    throw new TypeError(`an invitation that is ${before.state} cannot change`);
  // A new attempt has no end and no reason yet.
  const { endedAt: _end, reason: _why, ...rest } = before;
  const kept = patch.state !== undefined && before.state === 'failed' ? rest : before;
  return cleanInvitation({ ...kept, ...patch });
}
