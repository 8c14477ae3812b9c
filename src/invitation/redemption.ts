import type { StoredInvitation } from '../store/index.ts';
import { InvitationError } from './errors.ts';
import { Exchange, type ExchangeAnswer } from './exchange.ts';
import { checkPeer, provable } from './federate-with.ts';
import { holdAgainstLine } from './inviter-proof.ts';
import type { Invitation } from './line.ts';
import { type OwnIdentity, ownIdentity, ownSide } from './own-side.ts';
import type { InvitationParts } from './parts.ts';
import { proveSecret } from './secret.ts';
import { commitmentTo, compareClocks, parseSide, type Side, stringIn } from './side.ts';
import type { Settled, Settlement } from './settlement.ts';
import { proveTranscript, signTranscript } from './signature.ts';
import { reportedBundle } from './reported-bundle.ts';
import { offerOf, transcriptOf, wordsOf } from './transcript.ts';
import { pathOfStep } from './wire.ts';

/** Clocks of inviter and newcomer may differ by this much; the inviter's decides. */
const LEEWAY_MS = 300_000;

/**
 * The newcomer's side of the exchange, once through; repeating what was broken off is for others.
 */
export class Redemption {
  readonly #parts: InvitationParts;
  readonly #settlement: Settlement;
  readonly #stop: AbortSignal;

  constructor(parts: InvitationParts, settlement: Settlement, stop: AbortSignal) {
    this.#parts = parts;
    this.#settlement = settlement;
    this.#stop = stop;
  }

  /**
   * Makes all refusals that need no network. Throws `InvitationError` `invitation-own`,
   * `invitation-for-another`, `invitation-expired`, and what `ownIdentity` throws.
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
    return identity;
  }

  /**
   * Runs the exchange. A message is recorded before it is sent, so that the agent can ask about it
   * after a break. A relationship that exists is renewed. Rejects with `FederationError`
   * `already-federated` where that cannot be; `InvitationError` `invitation-refused`,
   * `invitation-declined`, `inviter-unproved`, `invitation-address-refused`,
   * `invitation-exchange-failed`; `StoreError`.
   */
  async redeem(invitation: Invitation, identity: OwnIdentity, actor: string): Promise<Settled> {
    const { id } = invitation;
    const { bundleLimits, fetchLimits } = this.#parts;
    await using exchange = await Exchange.open(this.#parts, invitation.endpointUrls, this.#stop);
    const ours = ownSide(this.#parts, identity, { role: 'newcomer', invitationId: id });
    const commitment = commitmentTo(ours.text);
    const greeting = { commitment, trust_domain: ours.trustDomain };
    const greeted = await exchange.send(pathOfStep(id, 'hello'), greeting, fetchLimits.totalMs);
    const offer = bodyOf(greeted, invitation);
    const inviter = parseSide(stringIn(offer, 'statement'), {
      role: 'inviter',
      invitationId: id,
      limits: bundleLimits,
    });
    const roots = holdAgainstLine(this.#parts, invitation, inviter, exchange.chain);
    compareClocks(inviter, this.#parts.clock.now());
    const { exporter } = exchange;
    await proveTranscript(stringIn(offer, 'signature'), {
      kind: 'offer',
      role: 'inviter',
      invitationId: id,
      audience: ours.trustDomain,
      transcript: offerOf({ invitationId: id, inviter, commitment, exporter }),
      now: this.#parts.clock.now(),
      peer: inviter,
      bundles: reportedBundle(this.#parts, await provable(this.#parts, roots)),
    });
    // Refuses now what we would not accept, while the inviter does not trust us yet.
    await checkPeer(this.#parts, this.#settlement.asPeer({ id }, inviter, actor));
    const transcript = transcriptOf({ invitationId: id, inviter, newcomer: ours, exporter });
    const taken = await this.#record(invitation, inviter, transcript, actor);
    const message = {
      statement: ours.text,
      proof: Buffer.from(proveSecret(invitation, transcript)).toString('base64url'),
      signature: await this.#sign(identity, taken, transcript, 'transcript'),
    };
    // The inviter asks our endpoint before it answers.
    const patienceMs = 2 * fetchLimits.totalMs + 5000;
    const answer = await exchange.send(pathOfStep(id, 'redeem'), message, patienceMs);
    try {
      return await this.#settlement.settle(taken, identity, bodyOf(answer, invitation), actor);
    } catch (error) {
      // The inviter refused, or another server answered. In either case nothing that we sent on
      // this connection has an effect.
      if (error instanceof InvitationError && error.code !== 'invitation-exchange-failed')
        await this.#settlement.fail(taken, error, actor);
      throw error;
    }
  }

  /**
   * Asks the inviter about the state of what was sent before. Rejects as `redeem` does; an answer
   * that proves nothing is `unknown`.
   */
  async ask(taken: StoredInvitation): Promise<Settled> {
    const identity = ownIdentity(this.#parts);
    const inviter = this.#settlement.inviterOf(taken);
    await using exchange = await Exchange.open(this.#parts, inviter.endpointUrls, this.#stop);
    const transcript = Buffer.from(taken.transcript ?? '', 'hex');
    const signature = await this.#sign(identity, taken, transcript, 'question');
    const patienceMs = this.#parts.fetchLimits.totalMs;
    const answer = await exchange.send(pathOfStep(taken.id, 'status'), { signature }, patienceMs);
    if (answer.status !== 200 || !answer.body) return { status: 'unknown', invitation: taken };
    return this.#settlement.settle(taken, identity, answer.body, taken.createdBy);
  }

  /** Stores what is about to be sent, and to which inviter; never the secret. */
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

/**
 * Gives the body of an answer. Throws where the inviter does not know the invitation, or refuses.
 */
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
