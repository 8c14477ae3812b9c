import { createHash } from 'node:crypto';
import type { Side } from './side.ts';
import { WORDS } from './word-list.ts';

/** What both sides sign. */
export interface TranscriptInput {
  readonly invitationId: string;
  readonly inviter: Side;
  readonly newcomer: Side;
  /**
   * `EXPORTER_LABEL` of the connection between the two, as one end sees it: another connection has
   * another one (RFC 8446 §7.5).
   */
  readonly exporter: Uint8Array;
}

/** Labels that begin so are for private use (RFC 5705 §4). */
export const EXPORTER_LABEL = 'EXPERIMENTAL-federate-invitation-v1';
export const EXPORTER_BYTES = 32;

/**
 * Computes SHA-256 over everything that the two sides sent and over their connection. Each part has
 * its length in four bytes before it, so that no two exchanges have the same digest. The last part
 * of each side is the digest of its whole message, with members that are not named here.
 */
export function transcriptOf({ invitationId, inviter, newcomer, exporter }: TranscriptInput): Buffer {
  return digestOf([
    'federate-invitation-transcript-v1',
    invitationId,
    ...partsOf(inviter),
    ...partsOf(newcomer),
    'exporter',
    exporter,
  ]);
}

/**
 * What the inviter signs before the newcomer sends its report: its own half, and the newcomer's
 * commitment. So a newcomer never reports to another server, and knows that it can verify what the
 * inviter will sign at the end.
 */
export function offerOf(input: {
  readonly invitationId: string;
  readonly inviter: Side;
  readonly commitment: string;
  readonly exporter: Uint8Array;
}): Buffer {
  const { invitationId, inviter, commitment, exporter } = input;
  return digestOf([
    'federate-invitation-offer-v1',
    invitationId,
    ...partsOf(inviter),
    'commitment',
    commitment,
    'exporter',
    exporter,
  ]);
}

function partsOf({ role, trustDomain, endpointUrls, bundleDocument, nonce, text }: Side) {
  return [role, trustDomain, endpointUrls.join(' '), sha256(bundleDocument), nonce, sha256(text)];
}

function digestOf(parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = Buffer.from(part);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return hash.digest();
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** The four words that both consoles show for one transcript: 32 bits, one word for each byte. */
export function wordsOf(transcript: Uint8Array): string {
  const digest = createHash('sha256').update('federate-invitation-words-v1\n').update(transcript).digest();
  return [...digest.subarray(0, 4)].map((byte) => WORDS[byte]).join(' ');
}
