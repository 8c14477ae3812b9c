import { CodedError, parseTrustDomain } from '../spiffe/index.ts';
import type { StoredInvitation } from '../store/index.ts';
import { Admission, type Hello, isStoreFailure, maxRedemptionBytes } from './admission.ts';
import type { InvitationBook } from './book.ts';
import { isFederated } from './federate-with.ts';
import { ownIdentity, ownSide } from './own-side.ts';
import type { InvitationParts } from './parts.ts';
import { jsonObject, parseSide, stringIn } from './side.ts';
import { proveTranscript, signStatus, signTranscript } from './signature.ts';
import { reportedBundle } from './reported-bundle.ts';
import { EXPORTER_BYTES, EXPORTER_LABEL, offerOf } from './transcript.ts';
import {
  INVITATION_STEP,
  type InvitationStep,
  jsonAnswer,
  type ReceptionAnswer,
  type ReceptionRequest,
} from './wire.ts';

/** Exchanges under way at once, over all invitations. */
const MAX_AT_WORK = 16;
const MAX_HELLO_BYTES = 1024;
const MAX_QUESTION_BYTES = 64 * 1024;

/**
 * The inviter's side of the exchange, on a path of the bundle endpoint. It reads and computes
 * nothing unless the path names an open invitation of ours. A caller that has not proved the secret
 * learns nothing: for it there is no such path.
 */
export class InvitationReception {
  readonly #parts: InvitationParts;
  readonly #book: InvitationBook;
  readonly #hellos = new WeakMap<object, Hello>();
  /** Invitations that are being redeemed at this moment. */
  readonly #redeeming = new Set<string>();
  readonly #admission: Admission;
  #atWork = 0;

  constructor(parts: InvitationParts, book: InvitationBook, stop: AbortSignal) {
    this.#parts = parts;
    this.#book = book;
    this.#admission = new Admission(parts, book, stop);
  }

  /** Takes a request on, or does not know its path. */
  accept(request: ReceptionRequest) {
    const [, id = '', step] = INVITATION_STEP.exec(request.path) ?? [];
    const invitation = this.#book.get(id);
    if (!invitation || request.method !== 'POST' || request.tlsVersion !== 'TLSv1.3') return undefined;
    if (step === 'status' ? invitation.peerStatement === undefined : !this.#isOpen(invitation)) {
      if (step !== 'status') this.#book.reportKnock(invitation, request.remoteAddress);
      return undefined;
    }
    // Without its greeting nothing of a redemption is read.
    if (step === 'redeem' && this.#hellos.get(request.connection)?.invitationId !== id) return undefined;
    if (this.#atWork >= MAX_AT_WORK || !this.#book.admits(id)) return undefined;
    const limits: Record<InvitationStep, number> = {
      hello: MAX_HELLO_BYTES,
      redeem: maxRedemptionBytes(this.#parts),
      status: MAX_QUESTION_BYTES,
    };
    const plan = {
      hello: (body: Uint8Array) => this.#hello(id, body, request),
      redeem: (body: Uint8Array) => this.#redeem(id, body, request),
      status: (body: Uint8Array) => this.#status(id, body),
    };
    const answering = plan[step as InvitationStep];
    return {
      maxBodyBytes: limits[step as InvitationStep],
      answer: async (body: Uint8Array): Promise<ReceptionAnswer> => {
        this.#atWork += 1;
        try {
          return await answering(body);
        } catch (error) {
          // A request that cannot be read gets no answer. The endpoint logs a defect or a full
          // disk.
          if (error instanceof CodedError && !isStoreFailure(error)) {
            this.#parts.log.warn('a message about an invitation was refused', {
              invitation: id,
              step,
              remote: request.remoteAddress,
              error,
            });
            return undefined;
          }
          throw error;
        } finally {
          this.#atWork -= 1;
        }
      },
    };
  }

  #isOpen(invitation: StoredInvitation): boolean {
    return invitation.state === 'open' && !this.#book.isOver(invitation);
  }

  /** The newcomer commits to what it will send. Then we send our report and its proof. */
  async #hello(invitationId: string, body: Uint8Array, request: ReceptionRequest): Promise<ReceptionAnswer> {
    const hello = jsonObject(body, MAX_HELLO_BYTES);
    const commitment = stringIn(hello, 'commitment');
    const newcomer = parseTrustDomain(stringIn(hello, 'trust_domain'));
    if (!/^[0-9a-f]{64}$/.test(commitment)) return undefined;
    const identity = ownIdentity(this.#parts);
    const ours = ownSide(this.#parts, identity, { role: 'inviter', invitationId });
    const exporter = request.exportKey(EXPORTER_BYTES, EXPORTER_LABEL);
    const signature = await signTranscript(identity, {
      kind: 'offer',
      role: 'inviter',
      invitationId,
      audience: newcomer,
      transcript: offerOf({ invitationId, inviter: ours, commitment, exporter }),
      now: this.#parts.clock.now(),
    });
    this.#hellos.set(request.connection, { invitationId, commitment, ours, identity });
    return jsonAnswer(200, { statement: ours.text, signature });
  }

  async #redeem(id: string, body: Uint8Array, request: ReceptionRequest): Promise<ReceptionAnswer> {
    const hello = this.#hellos.get(request.connection);
    this.#hellos.delete(request.connection);
    if (hello?.invitationId !== id || this.#redeeming.has(id)) return undefined;
    this.#redeeming.add(id);
    try {
      const invitation = this.#book.get(id);
      if (!invitation || !this.#isOpen(invitation)) return undefined;
      return await this.#admission.judge(invitation, hello, body, request);
    } finally {
      this.#redeeming.delete(id);
    }
  }

  /** Answers with the state of an invitation that this newcomer has redeemed. */
  async #status(id: string, body: Uint8Array): Promise<ReceptionAnswer> {
    const { clock, federation, store, bundleLimits } = this.#parts;
    const signature = stringIn(jsonObject(body, MAX_QUESTION_BYTES), 'signature');
    await this.#book.sweep();
    const invitation = await store.invitation('inviter', id);
    if (invitation?.peerStatement === undefined || invitation.transcript === undefined) return undefined;
    const { peerStatement, state } = invitation;
    const theirs = parseSide(peerStatement, { role: 'newcomer', invitationId: id, limits: bundleLimits });
    const identity = ownIdentity(this.#parts);
    const transcript = Buffer.from(invitation.transcript, 'hex');
    await proveTranscript(signature, {
      kind: 'question',
      role: 'newcomer',
      invitationId: id,
      audience: identity.own.trustDomain,
      transcript,
      now: clock.now(),
      peer: theirs,
      bundles: federation.bundles.bundleFor(theirs.trustDomain)
        ? federation.bundles
        : reportedBundle(this.#parts, theirs.bundle),
    });
    const held = isFederated(federation, theirs.trustDomain);
    const status =
      state === 'awaiting-approval' ? state : state === 'completed' && held ? 'completed' : 'ended';
    return jsonAnswer(200, {
      status,
      signature: await signStatus(this.#parts, {
        identity,
        invitationId: id,
        to: theirs,
        transcript,
        status,
      }),
    });
  }
}
