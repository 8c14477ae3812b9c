import { timingSafeEqual } from 'node:crypto';
import { describeError } from '../../platform/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import { StoreError, type StoredInvitation } from '../../store/index.ts';
import { type InvitationBook, MAX_TRIES } from './book.ts';
import { InvitationError } from './errors.ts';
import { fetchAsTold } from './fetch-told.ts';
import { federateWith, proofDetail } from './federate-with.ts';
import { type OwnIdentity, ownIdentity, ownSide } from './own-side.ts';
import type { InvitationParts } from './parts.ts';
import { isProofOfSecret } from './secret.ts';
import {
  commitmentTo,
  compareClocks,
  jsonObject,
  maxSideBytes,
  parseSide,
  type Side,
  stringIn,
} from './side.ts';
import { type InvitationStatus, proveTranscript, signTranscript } from './signature.ts';
import { toldBundle } from './told-bundle.ts';
import { EXPORTER_BYTES, EXPORTER_LABEL, transcriptOf, wordsOf } from './transcript.ts';
import { INVITATION_STEP, type InvitationStep } from './wire.ts';

/** A request at our endpoint, as the endpoint tells it. */
export interface ReceptionRequest {
  readonly method: string;
  readonly path: string;
  readonly remoteAddress: string;
  readonly connection: object;
  readonly tlsVersion: string;
  exportKey(length: number, label: string): Uint8Array;
}

/** An answer; undefined is the one that an unknown path gets. */
type Answer = { readonly status: number; readonly body: string } | undefined;

/** What was said on a connection before the newcomer shows what it is. */
interface Hello {
  readonly invitationId: string;
  readonly commitment: string;
  readonly ours: Side;
  readonly identity: OwnIdentity;
}

/** Exchanges under way at once, over all invitations. */
const MAX_AT_WORK = 16;
const MAX_HELLO_BYTES = 1024;
const MAX_QUESTION_BYTES = 64 * 1024;
/** Proof, signature and JSON around what the newcomer says. */
const MAX_REDEEM_EXTRA_BYTES = 64 * 1024;

/**
 * The inviter's side of the exchange, on a path of the bundle endpoint. Nothing is looked at, let alone computed, unless the path names an
 * invitation of ours that is open; and nobody learns anything who has not proved the secret: for all others there is no such path.
 */
export class InvitationReception {
  readonly #parts: InvitationParts;
  readonly #book: InvitationBook;
  readonly #hellos = new WeakMap<object, Hello>();
  /** Invitations that are being redeemed at this moment. */
  readonly #redeeming = new Set<string>();
  readonly #stop: AbortSignal;
  #atWork = 0;

  constructor(parts: InvitationParts, book: InvitationBook, stop: AbortSignal) {
    this.#parts = parts;
    this.#book = book;
    this.#stop = stop;
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
    if (this.#atWork >= MAX_AT_WORK || !this.#book.admits(id)) return undefined;
    const limits: Record<InvitationStep, number> = {
      hello: MAX_HELLO_BYTES,
      redeem: 2 * maxSideBytes(this.#parts.bundleLimits) + MAX_REDEEM_EXTRA_BYTES,
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
      answer: async (body: Uint8Array): Promise<Answer> => {
        this.#atWork += 1;
        try {
          return await answering(body);
        } catch (error) {
          // What cannot be read is not answered; a defect or a full disk is told to the log by the endpoint.
          if (error instanceof CodedError && !isStoreFailure(error)) {
            this.#parts.log.warn('a message about an invitation was refused', {
              invitation: id,
              step,
              remote: request.remoteAddress,
              error: describeError(error),
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

  /** The newcomer binds itself to what it will say; then we say what we are. */
  async #hello(invitationId: string, body: Uint8Array, { connection }: ReceptionRequest): Promise<Answer> {
    const said = jsonObject(body, MAX_HELLO_BYTES);
    const commitment = stringIn(said, 'commitment');
    if (!/^[0-9a-f]{64}$/.test(commitment)) return undefined;
    const identity = ownIdentity(this.#parts);
    const ours = ownSide(this.#parts, identity, { role: 'inviter', invitationId });
    this.#hellos.set(connection, { invitationId, commitment, ours, identity });
    return json(200, { statement: ours.text });
  }

  async #redeem(id: string, body: Uint8Array, request: ReceptionRequest): Promise<Answer> {
    const hello = this.#hellos.get(request.connection);
    this.#hellos.delete(request.connection);
    if (hello?.invitationId !== id || this.#redeeming.has(id)) return undefined;
    this.#redeeming.add(id);
    try {
      const invitation = this.#book.get(id);
      if (!invitation || !this.#isOpen(invitation)) return undefined;
      return await this.#judge(invitation, hello, body, request);
    } finally {
      this.#redeeming.delete(id);
    }
  }

  async #judge(
    invitation: StoredInvitation,
    { commitment, ours, identity }: Hello,
    body: Uint8Array,
    request: ReceptionRequest,
  ): Promise<Answer> {
    const { id } = invitation;
    let proved = false;
    try {
      const { theirs, proof, signature } = readRedemption(body, id, this.#parts);
      const exporter = request.exportKey(EXPORTER_BYTES, EXPORTER_LABEL);
      const transcript = transcriptOf({ invitationId: id, inviter: ours, newcomer: theirs, exporter });
      if (!sameText(commitmentTo(theirs.text), commitment) || !knowsSecret(invitation, transcript, proof))
        throw new InvitationError(
          'newcomer-unproved',
          'somebody who came with it did not prove its secret on this connection: an attacker in between, or a line that was changed',
        );
      proved = true;
      const status = invitation.requireApproval ? 'awaiting-approval' : 'completed';
      // Made before anything is written: what has been written can always be answered.
      const answer = await this.#sign(identity, id, theirs, transcript, status);
      await this.#admit(invitation, { ours, theirs, transcript, signature });
      return json(200, { status, signature: answer });
    } catch (error) {
      if (!(error instanceof CodedError) || isStoreFailure(error)) throw error;
      await this.#countTry(invitation, error, request.remoteAddress);
      // Only who has the secret is told why.
      return proved ? json(409, { code: error.code, message: error.message }) : undefined;
    }
  }

  /** Everything that is asked of a newcomer who has the secret; what is cheap comes first. */
  async #admit(
    { id, requireApproval, peer: expected }: StoredInvitation,
    said: {
      readonly ours: Side;
      readonly theirs: Side;
      readonly transcript: Uint8Array;
      readonly signature: string;
    },
  ): Promise<void> {
    const { ours, theirs, transcript, signature } = said;
    const { clock, federation } = this.#parts;
    if (expected !== undefined && theirs.trustDomain !== expected)
      throw new InvitationError(
        'invitation-for-another',
        `it is for ${expected}, and ${theirs.trustDomain} came with it`,
      );
    if (theirs.trustDomain === ours.trustDomain)
      throw new InvitationError('invitation-own', `it was used by ${ours.trustDomain} itself, which gave it`);
    if (federation.status().some(({ trustDomain }) => trustDomain === theirs.trustDomain))
      throw new InvitationError(
        'invitation-not-open',
        `there is a relationship with ${theirs.trustDomain} already`,
      );
    compareClocks(theirs, clock.now());
    await proveTranscript(signature, {
      kind: 'transcript',
      role: 'newcomer',
      invitationId: id,
      audience: ours.trustDomain,
      transcript,
      now: clock.now(),
      peer: theirs,
      bundles: toldBundle(this.#parts, theirs.bundle),
    });
    const words = wordsOf(transcript);
    const first = await fetchAsTold(this.#parts, theirs, this.#stop);
    const redeemed = {
      peer: theirs.trustDomain,
      transcript: Buffer.from(transcript).toString('hex'),
      words,
      peerStatement: theirs.text,
    };
    if (requireApproval) {
      const message = `${theirs.trustDomain} at ${theirs.endpointUrls[0]} came with the invitation ${id}, and waits for approval; its words are: ${words}`;
      const done = await this.#book.change(
        id,
        ['open'],
        { ...redeemed, state: 'awaiting-approval' },
        { kind: 'invitation-taken', actor: 'agent', code: 'awaiting-approval', message },
      );
      if (!done) throw new InvitationError('invitation-not-open', 'it is no longer open');
      this.#parts.log.info('an invitation waits for approval', {
        invitation: id,
        peer: theirs.trustDomain,
        words,
      });
      return;
    }
    await federateWith(this.#parts, {
      side: theirs,
      first: { ...first, detail: proofDetail(id, words) },
      actor: 'agent',
      spent: {
        id,
        role: 'inviter',
        from: ['open'],
        patch: { ...redeemed, state: 'completed', endedAt: clock.now() },
      },
    });
    await this.#book.refresh(id);
    this.#parts.log.info('an invitation was redeemed', { invitation: id, peer: theirs.trustDomain, words });
  }

  /** How it stands with an invitation that this newcomer has redeemed. */
  async #status(id: string, body: Uint8Array): Promise<Answer> {
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
        : toldBundle(this.#parts, theirs.bundle),
    });
    const held = federation.status().some(({ trustDomain }) => trustDomain === theirs.trustDomain);
    const status =
      state === 'awaiting-approval' ? state : state === 'completed' && held ? 'completed' : 'ended';
    return json(200, { status, signature: await this.#sign(identity, id, theirs, transcript, status) });
  }

  #sign(
    identity: OwnIdentity,
    invitationId: string,
    { trustDomain }: Side,
    transcript: Uint8Array,
    status: InvitationStatus,
  ): Promise<string> {
    return signTranscript(identity, {
      kind: 'transcript',
      role: 'inviter',
      invitationId,
      audience: trustDomain,
      transcript,
      now: this.#parts.clock.now(),
      status,
    });
  }

  /** A try that came to nothing is on record, and the third one burns the invitation. */
  async #countTry({ id, failedTries }: StoredInvitation, why: CodedError, remote: string): Promise<void> {
    const tries = failedTries + 1;
    const burned = tries >= MAX_TRIES;
    const refused = `the invitation ${id} was refused to somebody at ${remote}: ${why.message}`;
    const message = burned ? `${refused}; after ${tries} such tries it is burned` : refused;
    this.#parts.log.warn('an invitation was refused', {
      invitation: id,
      code: why.code,
      tries,
      burned,
      remote,
      error: describeError(why),
    });
    await this.#book.change(
      id,
      ['open'],
      {
        failedTries: tries,
        ...(burned
          ? {
              state: 'burned',
              endedAt: this.#parts.clock.now(),
              reason: {
                code: 'too-many-tries',
                message: `${tries} tries came to nothing, the last one: ${why.message}`,
              },
            }
          : {}),
      },
      { kind: burned ? 'invitation-ended' : 'invitation-refused', actor: 'agent', code: why.code, message },
    );
  }
}

/** A disk that fails is nobody's try; that somebody was faster is. */
function isStoreFailure(error: CodedError): boolean {
  return error instanceof StoreError && error.code !== 'invitation-spent';
}

function readRedemption(body: Uint8Array, invitationId: string, { bundleLimits: limits }: InvitationParts) {
  const said = jsonObject(body, 2 * maxSideBytes(limits) + MAX_REDEEM_EXTRA_BYTES);
  return {
    theirs: parseSide(stringIn(said, 'statement'), { role: 'newcomer', invitationId, limits }),
    proof: Buffer.from(stringIn(said, 'proof'), 'base64url'),
    signature: stringIn(said, 'signature'),
  };
}

function knowsSecret({ publicKey }: StoredInvitation, transcript: Uint8Array, proof: Uint8Array): boolean {
  return publicKey !== undefined && isProofOfSecret(publicKey, transcript, proof);
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function json(status: number, body: unknown): Answer {
  return { status, body: JSON.stringify(body) };
}
