import { printable } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { StateReason } from './relationship.ts';

/** On which side of an invitation we stand. */
export type InvitationRole = 'inviter' | 'newcomer';

/**
 * Where an invitation stands. For the inviter: may be redeemed · redeemed, and waits for our
 * operator · done · three wrong tries · time over · taken back. For the newcomer: said to the
 * inviter, whose answer is not known yet · the inviter's operator is asked · done · came to
 * nothing.
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

/** An invitation that we gave or took up. No secret is in it. */
export interface StoredInvitation {
  /** 16 hex digits; one ID can be there twice, once for each role. */
  readonly id: string;
  readonly role: InvitationRole;
  readonly state: InvitationState;
  readonly reason?: StateReason;
  /**
   * The inviter's trust domain; or the one that is expected to redeem it, and then the one that
   * did.
   */
  readonly peer?: TrustDomain;
  /** Inviter: the public half of the key derived from the secret, 64 hex digits. */
  readonly publicKey?: string;
  readonly requireApproval: boolean;
  readonly failedTries: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
  /** When it came to its end. */
  readonly endedAt?: Date;
  /** SHA-256 of what both sides signed, 64 hex digits. */
  readonly transcript?: string;
  /** What both consoles show. */
  readonly words?: string;
  /** Newcomer: the pins in the line, 32 hex digits each. */
  readonly rootPins?: readonly string[];
  /** What the peer said of itself, as it said it. */
  readonly peerStatement?: string;
}

/** What may change of an invitation; a field left out stays. */
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

/** A change that names the states it may start from: whoever comes second changes nothing. */
export interface InvitationChange {
  readonly id: string;
  readonly role: InvitationRole;
  readonly from: readonly InvitationState[];
  readonly patch: InvitationPatch;
}

/**
 * States after which an invitation is history; only what a newcomer tried in vain may be tried
 * again.
 */
export const ENDED_STATES: ReadonlySet<InvitationState> = new Set([
  'completed',
  'burned',
  'expired',
  'cancelled',
  'failed',
]);

/** As it is kept. Throws `TypeError` for an ID or a key that is none. */
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
 * The invitation with a change put in; undefined where it does not start from a state that the
 * change names.
 */
export function changedInvitation(
  before: StoredInvitation | undefined,
  { from, patch }: InvitationChange,
): StoredInvitation | undefined {
  if (!before || !from.includes(before.state)) return undefined;
  if (ENDED_STATES.has(before.state) && !(before.role === 'newcomer' && before.state === 'failed'))
    throw new TypeError(`an invitation that is ${before.state} stays so`);
  // Tried anew, it has no end and no reason yet.
  const { endedAt: _end, reason: _why, ...rest } = before;
  const kept = patch.state !== undefined && before.state === 'failed' ? rest : before;
  return cleanInvitation({ ...kept, ...patch });
}
