import { defined } from '../objects/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { StoredInvitation } from '../store/index.ts';
import type { InvitationBook } from './book.ts';
import { InvitationError } from './errors.ts';
import { federateWith, proofDetail, provable } from './federate-with.ts';
import { fetchNewcomer } from './fetch-newcomer.ts';
import { serializeInvitation } from './line.ts';
import { ownEndpoint, ownIdentity } from './own-side.ts';
import type { InvitationParts } from './parts.ts';
import { publicKeyOfSecret } from './secret.ts';
import { parseSide } from './side.ts';

const DEFAULT_SECONDS = 900;
const MIN_SECONDS = 30;
const MAX_SECONDS = 7 * 86_400;
const MAX_UNFINISHED = 100;

/**
 * The actions of the inviter's operator: gives, lists and cancels invitations, approves newcomers.
 */
export class InvitationDesk {
  readonly #parts: InvitationParts;
  readonly #book: InvitationBook;
  readonly #stop: AbortSignal;

  /** Calls off what is under way once `stop` aborts. */
  constructor(parts: InvitationParts, book: InvitationBook, stop: AbortSignal) {
    this.#parts = parts;
    this.#book = book;
    this.#stop = stop;
  }

  /** The invitations that were given and taken up, newest first. Rejects with `StoreError`. */
  async list(): Promise<StoredInvitation[]> {
    await this.#book.sweep();
    return this.#parts.store.invitations();
  }

  /**
   * A new invitation, and its line: the only place where the secret ever is. With a `peer` only that
   * trust domain may redeem it. With `requireApproval` our operator confirms the words before the
   * peer is trusted. Throws
   * `InvitationError` `invitation-expiry-invalid`, `too-many-invitations`, `invitation-own`,
   * `own-bundle-unknown`, `identity-missing`, `identity-unusable`; `StoreError`.
   */
  async give(
    actor: string,
    peer?: TrustDomain,
    expiresInSeconds = DEFAULT_SECONDS,
    requireApproval = false,
  ): Promise<{ line: string; invitation: StoredInvitation }> {
    const { clock, random, store, endpoint } = this.#parts;
    if (!(expiresInSeconds >= MIN_SECONDS && expiresInSeconds <= MAX_SECONDS))
      throw new InvitationError(
        'invitation-expiry-invalid',
        `an invitation is good for ${MIN_SECONDS} seconds to ${MAX_SECONDS / 86_400} days, not for ${expiresInSeconds} seconds`,
      );
    await this.#book.sweep();
    if (this.#book.unfinished >= MAX_UNFINISHED)
      throw new InvitationError(
        'too-many-invitations',
        `there are ${MAX_UNFINISHED} invitations open already`,
      );
    const identity = ownIdentity(this.#parts);
    const { own, rootPins } = identity;
    if (peer === own.trustDomain)
      throw new InvitationError(
        'invitation-own',
        `${peer} is our own trust domain; an invitation is for another one`,
      );
    const id = Buffer.from(random.bytes(8)).toString('hex');
    const secret = random.bytes(16);
    const createdAt = clock.now();
    const expiresAt = new Date(Math.floor(createdAt.getTime() / 1000 + expiresInSeconds) * 1000);
    const line = serializeInvitation({
      id,
      secret,
      ...ownEndpoint(endpoint, identity),
      rootPins,
      expiresAt,
      requireApproval,
      ...defined({ expectedPeer: peer }),
    });
    const invitation: StoredInvitation = {
      id,
      role: 'inviter',
      state: 'open',
      publicKey: publicKeyOfSecret({ id, secret }),
      requireApproval,
      failedTries: 0,
      createdAt,
      createdBy: actor,
      expiresAt,
      ...defined({ peer }),
    };
    await store.addInvitation(invitation, {
      at: createdAt,
      kind: 'invitation-given',
      actor,
      message: `the invitation ${id} was given${peer === undefined ? '' : ` for ${peer}`}, good until ${expiresAt.toISOString()}`,
      detail: { invitation: id, requireApproval },
      ...defined({ trustDomain: peer }),
    });
    this.#book.put(invitation);
    return { line, invitation };
  }

  /**
   * Takes an invitation back that is open or waits for approval. Throws `InvitationError`
   * `no-such-invitation`, `invitation-not-open`.
   */
  async cancel(id: string, actor: string): Promise<StoredInvitation> {
    await this.#book.sweep();
    const invitation = this.#book.get(id);
    if (!invitation) throw noSuch(id);
    const message = `the invitation ${id} was taken back`;
    const done = await this.#book.change(
      id,
      ['open', 'awaiting-approval'],
      {
        state: 'cancelled',
        endedAt: this.#parts.clock.now(),
        reason: { code: 'invitation-cancelled', message },
      },
      { kind: 'invitation-ended', actor, code: 'invitation-cancelled', message },
    );
    if (!done)
      throw new InvitationError(
        'invitation-not-open',
        `the invitation ${id} is ${invitation.state}, and cannot be taken back`,
      );
    return this.#book.get(id) ?? invitation;
  }

  /**
   * Confirms the newcomer that redeemed an invitation. The invitation is named by its ID, or by the
   * four words that the newcomer's console shows. The peer is trusted from then on. Throws
   * `InvitationError` `no-such-invitation`, `invitation-not-open`, `newcomer-unreachable`,
   * `newcomer-endpoint-differs`; and the errors of adding a relationship.
   */
  async approve(wordsOrId: string, actor: string): Promise<StoredInvitation> {
    await this.#book.sweep();
    const invitation = await this.#waiting(wordsOrId);
    const { id, peerStatement = '', words = '' } = invitation;
    const { clock, bundleLimits: limits } = this.#parts;
    const side = parseSide(peerStatement, { role: 'newcomer', invitationId: id, limits });
    // Again, because roots may have been revoked since the peer signed.
    await provable(this.#parts, side.bundle);
    const first = await fetchNewcomer(this.#parts, side, this.#stop);
    await federateWith(this.#parts, {
      side,
      first: { ...first, detail: proofDetail(id, words) },
      actor,
      spent: {
        id,
        role: 'inviter',
        from: ['awaiting-approval'],
        patch: { state: 'completed', endedAt: clock.now() },
      },
    });
    await this.#book.refresh(id);
    return this.#book.get(id) ?? invitation;
  }

  async #waiting(wordsOrId: string): Promise<StoredInvitation> {
    const wanted = wordsOrId
      .trim()
      .toLowerCase()
      .split(/[\s,-]+/)
      .join(' ');
    const ours = (await this.#parts.store.invitations({ limit: 1000 })).filter(
      ({ role }) => role === 'inviter',
    );
    const waiting = ours.filter(({ state }) => state === 'awaiting-approval');
    const found = waiting.filter(({ id, words }) => id === wanted || words === wanted);
    const [only] = found;
    if (only && found.length === 1) return only;
    const named = ours.find(({ id, words }) => id === wanted || words === wanted);
    if (named)
      throw new InvitationError(
        'invitation-not-open',
        `the invitation ${named.id} is ${named.state}, and does not wait for approval`,
      );
    throw new InvitationError(
      'no-such-invitation',
      /^[0-9a-f]{16}$/.test(wanted)
        ? `there is no invitation ${wanted}`
        : 'no invitation that waits for approval has these words: if the other side reads out other words than are listed here, an attacker stands in between',
    );
  }
}

function noSuch(id: string): InvitationError {
  return new InvitationError(
    'no-such-invitation',
    `there is no invitation ${JSON.stringify(id.slice(0, 40))}`,
  );
}
