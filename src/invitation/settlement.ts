import { defined } from '../objects/index.ts';
import { CodedError } from '../spiffe/index.ts';
import type { StoredInvitation } from '../store/index.ts';
import { InvitationError } from './errors.ts';
import { federateWith, type InvitedPeer, proofDetail, provable } from './federate-with.ts';
import type { OwnIdentity } from './own-side.ts';
import type { InvitationParts } from './parts.ts';
import { parseSide, type Side } from './side.ts';
import { type InvitationStatus, proveTranscript } from './signature.ts';
import { reportedBundle } from './reported-bundle.ts';

/**
 * What is known after a request to the inviter; `unknown` where the server that answered proved
 * nothing.
 */
export type Settled = {
  readonly status: InvitationStatus | 'unknown';
  readonly invitation: StoredInvitation;
};

/** What the newcomer does with the inviter's answer, at once or later. */
export class Settlement {
  readonly #parts: InvitationParts;

  constructor(parts: InvitationParts) {
    this.#parts = parts;
  }

  /** Proves the inviter's answer and acts on it: trusts it, waits, or gives up. */
  async settle(
    taken: StoredInvitation,
    { own }: OwnIdentity,
    answer: ReadonlyMap<string, unknown>,
    actor: string,
  ): Promise<Settled> {
    const { clock, store } = this.#parts;
    const inviter = this.inviterOf(taken);
    const signature = answer.get('signature');
    if (typeof signature !== 'string')
      throw new InvitationError('inviter-unproved', 'the inviter answered without a signature');
    const claims = await proveTranscript(signature, {
      kind: 'transcript',
      role: 'inviter',
      invitationId: taken.id,
      audience: own.trustDomain,
      transcript: Buffer.from(taken.transcript ?? '', 'hex'),
      now: clock.now(),
      peer: inviter,
      // All of it: a signature under a pinned root has vouched for it before anything was kept.
      // Where there is a relationship, only what counts of it already.
      bundles: reportedBundle(this.#parts, await provable(this.#parts, inviter.bundle)),
    });
    // Only the signed value counts, not the unsigned one next to it.
    const status = claims.get('status');
    const { id, words = '' } = taken;
    if (status === 'completed') {
      await this.#complete(taken, inviter, actor);
    } else if (status === 'awaiting-approval') {
      const message = `${inviter.trustDomain} asks its operator to approve us; the words are: ${words}`;
      await store.changeInvitation(
        { id, role: 'newcomer', from: ['redeeming'], patch: { state: 'awaiting-approval' } },
        {
          at: clock.now(),
          kind: 'invitation-taken',
          trustDomain: inviter.trustDomain,
          actor: 'agent',
          code: status,
          message,
        },
      );
    } else if (status === 'ended') {
      const why = new InvitationError(
        'invitation-declined',
        `${inviter.trustDomain} has ended the invitation ${id}: it was not approved, or the relationship was removed again`,
      );
      return { status, invitation: await this.fail(taken, why, 'agent') };
    } else {
      throw new InvitationError('inviter-unproved', 'the inviter signed an unknown status');
    }
    const invitation = await store.invitation('newcomer', id);
    return { status, invitation: invitation ?? taken };
  }

  /** Records that the exchange had no effect; it may be tried again. */
  async fail(
    taken: StoredInvitation,
    { code, message }: CodedError,
    actor: string,
  ): Promise<StoredInvitation> {
    const { store, clock } = this.#parts;
    const { id, peer } = taken;
    const at = clock.now();
    await store.changeInvitation(
      {
        id,
        role: 'newcomer',
        from: ['redeeming', 'awaiting-approval'],
        patch: { state: 'failed', endedAt: at, reason: { code, message } },
      },
      {
        at,
        kind: 'invitation-ended',
        actor,
        code,
        message: `nothing came of the invitation ${id}: ${message}`,
        ...defined({ trustDomain: peer }),
        detail: { invitation: id },
      },
    );
    return (await store.invitation('newcomer', id)) ?? taken;
  }

  async #complete(taken: StoredInvitation, side: Side, actor: string): Promise<void> {
    const { store } = this.#parts;
    const peer = this.asPeer(taken, side, actor);
    try {
      await federateWith(this.#parts, peer);
    } catch (error) {
      // Both sides may have invited each other at once: one relationship is enough.
      if (!(error instanceof CodedError && error.code === 'already-federated')) throw error;
      await store.changeInvitation(peer.spent);
    }
  }

  /**
   * The inviter as we would add it. Its bundle comes from its own report, and the agent polls it at
   * once.
   */
  asPeer({ id, words = '' }: Pick<StoredInvitation, 'id' | 'words'>, side: Side, actor: string): InvitedPeer {
    const { bundle, endpointUrls } = side;
    const origin = endpointUrls[0] ?? '';
    return {
      side,
      first: { bundle, notes: [], fetched: false, origin, detail: proofDetail(id, words) },
      actor,
      spent: {
        id,
        role: 'newcomer',
        from: ['redeeming', 'awaiting-approval'],
        patch: { state: 'completed', endedAt: this.#parts.clock.now() },
      },
    };
  }

  /** What the inviter reported about itself when the invitation was accepted. */
  inviterOf({ id, peerStatement = '' }: StoredInvitation): Side {
    return parseSide(peerStatement, {
      role: 'inviter',
      invitationId: id,
      limits: this.#parts.bundleLimits,
    });
  }
}
