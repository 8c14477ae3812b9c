import { timingSafeEqual } from 'node:crypto';
import { CodedError } from '../spiffe/index.ts';
import { StoreError, type StoredInvitation } from '../store/index.ts';
import { type InvitationBook, MAX_TRIES } from './book.ts';
import { InvitationError } from './errors.ts';
import { federateWith, proofDetail, provable } from './federate-with.ts';
import { fetchNewcomer } from './fetch-newcomer.ts';
import type { OwnIdentity } from './own-side.ts';
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
import { proveTranscript, signStatus } from './signature.ts';
import { reportedBundle } from './reported-bundle.ts';
import { EXPORTER_BYTES, EXPORTER_LABEL, transcriptOf, wordsOf } from './transcript.ts';
import { jsonAnswer, type ReceptionAnswer, type ReceptionRequest } from './wire.ts';

/** What both sides sent on a connection before the newcomer identifies itself. */
export interface Hello {
  readonly invitationId: string;
  readonly commitment: string;
  readonly ours: Side;
  readonly identity: OwnIdentity;
}

/** Room for proof, signature and JSON around the newcomer's statement. */
const EXTRA_BYTES = 64 * 1024;

/**
 * The longest message that redeems an invitation, in bytes: the newcomer's statement is JSON inside
 * JSON once more.
 */
export function maxRedemptionBytes({ bundleLimits }: InvitationParts): number {
  return 2 * maxSideBytes(bundleLimits) + EXTRA_BYTES;
}

/** Decides about newcomers that redeem an invitation of ours. */
export class Admission {
  readonly #parts: InvitationParts;
  readonly #book: InvitationBook;
  readonly #stop: AbortSignal;

  constructor(parts: InvitationParts, book: InvitationBook, stop: AbortSignal) {
    this.#parts = parts;
    this.#book = book;
    this.#stop = stop;
  }

  /**
   * Judges one redemption on the connection it came on: trusts the newcomer, has it wait for
   * approval, or counts a try. Gives undefined where the caller has not proved the secret. Rejects
   * with `StoreError` when the disk fails.
   */
  async judge(
    invitation: StoredInvitation,
    { commitment, ours, identity }: Hello,
    body: Uint8Array,
    request: Pick<ReceptionRequest, 'remoteAddress' | 'exportKey'>,
  ): Promise<ReceptionAnswer> {
    const { id } = invitation;
    let proved = false;
    try {
      const { theirs, proof, signature } = readRedemption(body, id, this.#parts);
      const exporter = request.exportKey(EXPORTER_BYTES, EXPORTER_LABEL);
      const transcript = transcriptOf({ invitationId: id, inviter: ours, newcomer: theirs, exporter });
      if (!sameText(commitmentTo(theirs.text), commitment) || !knowsSecret(invitation, transcript, proof))
        throw new InvitationError(
          'newcomer-unproved',
          'a caller who presented it did not prove its secret on this connection: an attacker stands in between, or the line was changed',
        );
      proved = true;
      const status = invitation.requireApproval ? 'awaiting-approval' : 'completed';
      // Made before anything is written: what has been written can always be answered.
      const answer = await signStatus(this.#parts, {
        identity,
        invitationId: id,
        to: theirs,
        transcript,
        status,
      });
      await this.#admit(invitation, { ours, theirs, transcript, signature });
      return jsonAnswer(200, { status, signature: answer });
    } catch (error) {
      if (!(error instanceof CodedError) || isStoreFailure(error)) throw error;
      await this.#countTry(invitation, error, request.remoteAddress);
      // Only a caller who has proved the secret learns why.
      return proved ? jsonAnswer(409, { code: error.code, message: error.message }) : undefined;
    }
  }

  /** Checks a newcomer that has the secret; the cheap checks come first. */
  async #admit(
    { id, requireApproval, peer: expected }: StoredInvitation,
    proved: {
      readonly ours: Side;
      readonly theirs: Side;
      readonly transcript: Uint8Array;
      readonly signature: string;
    },
  ): Promise<void> {
    const { ours, theirs, transcript, signature } = proved;
    const { clock } = this.#parts;
    if (expected !== undefined && theirs.trustDomain !== expected)
      throw new InvitationError(
        'invitation-for-another',
        `it is for ${expected}, and ${theirs.trustDomain} came with it`,
      );
    if (theirs.trustDomain === ours.trustDomain)
      throw new InvitationError('invitation-own', `it was used by ${ours.trustDomain} itself, which gave it`);
    compareClocks(theirs, clock.now());
    await proveTranscript(signature, {
      kind: 'transcript',
      role: 'newcomer',
      invitationId: id,
      audience: ours.trustDomain,
      transcript,
      now: clock.now(),
      peer: theirs,
      bundles: reportedBundle(this.#parts, await provable(this.#parts, theirs.bundle)),
    });
    const words = wordsOf(transcript);
    const first = await fetchNewcomer(this.#parts, theirs, this.#stop);
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

  /** A try that came to nothing is on record, and the third one burns the invitation. */
  async #countTry({ id, failedTries }: StoredInvitation, why: CodedError, remote: string): Promise<void> {
    const tries = failedTries + 1;
    const burned = tries >= MAX_TRIES;
    const refused = `the invitation ${id} was refused to a caller at ${remote}: ${why.message}`;
    const message = burned ? `${refused}; after ${tries} such tries it is burned` : refused;
    this.#parts.log.warn('an invitation was refused', {
      invitation: id,
      code: why.code,
      tries,
      burned,
      remote,
      error: why,
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

/**
 * Whether the store failed, which does not count as a try. `invitation-spent` is not such a
 * failure: another redemption was faster, and that counts.
 */
export function isStoreFailure(error: CodedError): boolean {
  return error instanceof StoreError && error.code !== 'invitation-spent';
}

function readRedemption(body: Uint8Array, invitationId: string, parts: InvitationParts) {
  const { bundleLimits: limits } = parts;
  const message = jsonObject(body, maxRedemptionBytes(parts));
  return {
    theirs: parseSide(stringIn(message, 'statement'), { role: 'newcomer', invitationId, limits }),
    proof: Buffer.from(stringIn(message, 'proof'), 'base64url'),
    signature: stringIn(message, 'signature'),
  };
}

function knowsSecret({ publicKey }: StoredInvitation, transcript: Uint8Array, proof: Uint8Array): boolean {
  return publicKey !== undefined && isProofOfSecret(publicKey, transcript, proof);
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
