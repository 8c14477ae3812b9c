import type { TrustDomain } from '../../spiffe/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import type { StoredInvitation } from '../../store/index.ts';
import { InvitationError } from './errors.ts';
import { Exchange, type ExchangeAnswer } from './exchange.ts';
import { federateWith, proofDetail } from './federate-with.ts';
import { holdAgainstLine } from './inviter-proof.ts';
import type { Invitation } from './line.ts';
import { type OwnIdentity, ownIdentity, ownSide, pinnedPart } from './own-side.ts';
import type { InvitationParts } from './parts.ts';
import { proveSecret } from './secret.ts';
import { commitmentTo, compareClocks, parseSide, type Side, stringIn } from './side.ts';
import { type InvitationStatus, proveTranscript, signTranscript } from './signature.ts';
import { toldBundle } from './told-bundle.ts';
import { transcriptOf, wordsOf } from './transcript.ts';
import { pathOfStep } from './wire.ts';

/** What is known after something was asked of the inviter; `unknown` says that whoever answered proved nothing. */
export type Settled = {
  readonly status: InvitationStatus | 'unknown';
  readonly invitation: StoredInvitation;
};

/** Clocks of inviter and newcomer may differ by this much; the inviter's decides. */
const LEEWAY_MS = 300_000;

/** The newcomer's side of the exchange, once through; repeating what was broken off is for others. */
export class Redemption {
  readonly #parts: InvitationParts;
  readonly #stop: AbortSignal;

  constructor(parts: InvitationParts, stop: AbortSignal) {
    this.#parts = parts;
    this.#stop = stop;
  }

  /**
   * Whatever can be refused without asking anybody. Throws `InvitationError` `invitation-own`, `invitation-for-another`,
   * `invitation-expired`, `invitation-not-open`, and what `ownIdentity` throws.
   */
  check({ trustDomain, expectedPeer, expiresAt }: Invitation): OwnIdentity {
    const identity = ownIdentity(this.#parts);
    const { own } = identity;
    const now = this.#parts.clock.now();
    if (trustDomain === own.trustDomain)
      throw new InvitationError(
        'invitation-own',
        `this invitation is from ${trustDomain}, our own trust domain; it is for the agent of another one`,
      );
    if (expectedPeer !== undefined && expectedPeer !== own.trustDomain)
      throw new InvitationError(
        'invitation-for-another',
        `this invitation is for ${expectedPeer}, and this agent is of ${own.trustDomain}`,
      );
    if (now.getTime() > expiresAt.getTime() + LEEWAY_MS)
      throw new InvitationError(
        'invitation-expired',
        `this invitation was good until ${expiresAt.toISOString()}, and now is ${now.toISOString()}`,
      );
    if (this.isFederatedWith(trustDomain))
      throw new InvitationError('invitation-not-open', `there is a relationship with ${trustDomain} already`);
    return identity;
  }

  isFederatedWith(trustDomain: TrustDomain): boolean {
    return this.#parts.federation.status().some((each) => each.trustDomain === trustDomain);
  }

  /**
   * Goes through the exchange. What was sent is on record before it is sent, so that a break afterwards can be asked about.
   * Rejects with `InvitationError` `invitation-refused`, `invitation-declined`, `inviter-unproved`,
   * `invitation-address-refused`, `invitation-exchange-failed`; `StoreError`.
   */
  async redeem(invitation: Invitation, identity: OwnIdentity, actor: string): Promise<Settled> {
    const { id } = invitation;
    const { bundleLimits, fetchLimits } = this.#parts;
    await using exchange = await Exchange.open(this.#parts, invitation.endpointUrls, this.#stop);
    const ours = ownSide(this.#parts, identity, { role: 'newcomer', invitationId: id });
    const greeting = { commitment: commitmentTo(ours.text) };
    const told = await exchange.say(pathOfStep(id, 'hello'), greeting, fetchLimits.totalMs);
    const text = stringIn(bodyOf(told, invitation), 'statement');
    const inviter = parseSide(text, { role: 'inviter', invitationId: id, limits: bundleLimits });
    holdAgainstLine(this.#parts, invitation, inviter, exchange.chain);
    compareClocks(inviter, this.#parts.clock.now());
    const { exporter } = exchange;
    const transcript = transcriptOf({ invitationId: id, inviter, newcomer: ours, exporter });
    const taken = await this.#record(invitation, inviter, transcript, actor);
    const message = {
      statement: ours.text,
      proof: Buffer.from(proveSecret(invitation, transcript)).toString('base64url'),
      signature: await this.#sign(identity, taken, transcript, 'transcript'),
    };
    // The inviter asks our endpoint before it answers.
    const patienceMs = 2 * fetchLimits.totalMs + 5000;
    const answer = await exchange.say(pathOfStep(id, 'redeem'), message, patienceMs);
    try {
      return await this.settle(taken, identity, bodyOf(answer, invitation), actor);
    } catch (error) {
      // It said no, or was somebody else: in either case nothing came of what we sent on this connection.
      if (error instanceof InvitationError && error.code !== 'invitation-exchange-failed')
        await this.fail(taken, error, actor);
      throw error;
    }
  }

  /** Asks the inviter how it stands with what was sent before. Rejects as `redeem` does; an answer that proves nothing is `unknown`. */
  async ask(taken: StoredInvitation): Promise<Settled> {
    const identity = ownIdentity(this.#parts);
    const inviter = this.#inviterOf(taken);
    await using exchange = await Exchange.open(this.#parts, inviter.endpointUrls, this.#stop);
    const transcript = Buffer.from(taken.transcript ?? '', 'hex');
    const signature = await this.#sign(identity, taken, transcript, 'question');
    const patienceMs = this.#parts.fetchLimits.totalMs;
    const answer = await exchange.say(pathOfStep(taken.id, 'status'), { signature }, patienceMs);
    if (answer.status !== 200 || !answer.body) return { status: 'unknown', invitation: taken };
    return this.settle(taken, identity, answer.body, taken.createdBy);
  }

  /** Proves the inviter's answer and acts on it: trusts it, waits, or gives up. */
  async settle(
    taken: StoredInvitation,
    { own }: OwnIdentity,
    answer: ReadonlyMap<string, unknown>,
    actor: string,
  ): Promise<Settled> {
    const { clock, store } = this.#parts;
    const inviter = this.#inviterOf(taken);
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
      bundles: toldBundle(this.#parts, pinnedPart(inviter.bundle, taken.rootPins ?? [])),
    });
    // What is signed counts, not what is written beside it.
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
      throw new InvitationError('inviter-unproved', 'the inviter signed an answer that there is none of');
    }
    const invitation = await store.invitation('newcomer', id);
    return { status, invitation: invitation ?? taken };
  }

  /** Puts on record that nothing came of it; it may be tried again. */
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
        ...(peer === undefined ? {} : { trustDomain: peer }),
        detail: { invitation: id },
      },
    );
    return (await store.invitation('newcomer', id)) ?? taken;
  }

  async #complete(taken: StoredInvitation, side: Side, actor: string): Promise<void> {
    const { store, clock } = this.#parts;
    const { id, words = '' } = taken;
    const spent = {
      id,
      role: 'newcomer' as const,
      from: ['redeeming', 'awaiting-approval'] as const,
      patch: { state: 'completed' as const, endedAt: clock.now() },
    };
    // Both sides may have invited each other at once: one relationship is enough.
    if (this.isFederatedWith(side.trustDomain)) {
      await store.changeInvitation(spent);
      return;
    }
    const { bundle, endpointUrls } = side;
    const origin = endpointUrls[0] ?? '';
    try {
      await federateWith(this.#parts, {
        side,
        first: { bundle, notes: [], fetched: false, origin, detail: proofDetail(id, words) },
        actor,
        spent,
      });
    } catch (error) {
      if (!(error instanceof CodedError && error.code === 'already-federated')) throw error;
      await store.changeInvitation(spent);
    }
  }

  #inviterOf({ id, peerStatement = '' }: StoredInvitation): Side {
    return parseSide(peerStatement, {
      role: 'inviter',
      invitationId: id,
      limits: this.#parts.bundleLimits,
    });
  }

  /** Keeps what is about to be sent, and to whom; never the secret. */
  async #record(
    invitation: Invitation,
    inviter: Side,
    transcript: Uint8Array,
    actor: string,
  ): Promise<StoredInvitation> {
    const { store, clock } = this.#parts;
    const { id, requireApproval, expiresAt, rootPins } = invitation;
    const createdAt = clock.now();
    const changing = {
      state: 'redeeming' as const,
      peer: inviter.trustDomain,
      createdAt,
      createdBy: actor,
      expiresAt,
      transcript: Buffer.from(transcript).toString('hex'),
      words: wordsOf(transcript),
      rootPins,
      peerStatement: inviter.text,
    };
    const taken: StoredInvitation = {
      id,
      role: 'newcomer',
      requireApproval,
      failedTries: 0,
      ...changing,
    };
    const event = {
      at: createdAt,
      kind: 'invitation-taken' as const,
      trustDomain: inviter.trustDomain,
      actor,
      message: `the invitation ${id} of ${inviter.trustDomain} was taken up; the words are: ${changing.words}`,
      detail: { invitation: id },
    };
    if (!(await store.invitation('newcomer', id))) await store.addInvitation(taken, event);
    else {
      const from = ['failed', 'redeeming'] as const;
      if (!(await store.changeInvitation({ id, role: 'newcomer', from, patch: changing }, event)))
        throw new InvitationError('invitation-not-open', `the invitation ${id} was taken up here already`);
    }
    return taken;
  }

  #sign(
    identity: OwnIdentity,
    { id, peer }: StoredInvitation,
    transcript: Uint8Array,
    kind: 'transcript' | 'question',
  ): Promise<string> {
    return signTranscript(identity, {
      kind,
      role: 'newcomer',
      invitationId: id,
      audience: peer ?? '',
      transcript,
      now: this.#parts.clock.now(),
    });
  }
}

/** The answer to something that was said; throws where the inviter does not know the invitation, or says no. */
function bodyOf({ status, body }: ExchangeAnswer, { trustDomain }: Invitation) {
  if (status === 200 && body) return body;
  if (status === 409 && body)
    throw new InvitationError(
      'invitation-declined',
      `${trustDomain} refuses: ${stringIn(body, 'message').slice(0, 500)} (${stringIn(body, 'code').slice(0, 50)})`,
    );
  if (status >= 500)
    throw new InvitationError(
      'invitation-exchange-failed',
      `${trustDomain} could not answer, with status ${status}`,
    );
  throw new InvitationError(
    'invitation-refused',
    `the inviter ${trustDomain} does not know this invitation as open: it was used, taken back, burned by wrong tries, or is over`,
  );
}
