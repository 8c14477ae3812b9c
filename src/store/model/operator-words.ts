import { printable } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { NewEvent } from './event.ts';

/** A key that is kept out of the trust, whatever the bundles of its trust domain say. */
export interface DistrustedKey {
  readonly trustDomain: TrustDomain;
  /** SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits. */
  readonly keyFingerprint: string;
  /** What it was called when it was taken out: six digits and the subject or the key ID. */
  readonly label: string;
  readonly at: Date;
  readonly actor: string;
  readonly reason: string;
  /** When it counts again by itself; absent: never. */
  readonly until?: Date;
}

/** The end of a key's distrust: the operator's word, or its time was over. */
export interface KeyTrustedAgain extends Omit<DistrustedKey, 'label' | 'until'> {
  readonly word: 'trusted-again' | 'lapsed';
}

/** An offered bundle that is kept out for good, by its `contentDigest`; or that no longer is. */
export interface RejectedOffer {
  readonly trustDomain: TrustDomain;
  readonly digest: string;
  readonly at: Date;
  readonly actor: string;
  readonly reason: string;
}

const HEX64 = /^[0-9a-f]{64}$/;

/**
 * As it is kept: texts printable and of bounded length. Throws `TypeError` where the fingerprint is
 * none.
 */
export function cleanDistrust(key: DistrustedKey): DistrustedKey {
  if (!HEX64.test(key.keyFingerprint)) throw new TypeError('a key fingerprint has 64 hex digits');
  return { ...key, ...cleanWord(key), label: printable(key.label, 200) };
}

/**
 * As it is kept: texts printable and of bounded length. Throws `TypeError` where the digest is
 * none.
 */
export function cleanRejection(offer: RejectedOffer): RejectedOffer {
  if (!HEX64.test(offer.digest)) throw new TypeError('a digest has 64 hex digits');
  return { ...offer, ...cleanWord(offer) };
}

/** Who and why, as it is kept. */
export function cleanWord({ actor, reason }: { readonly actor: string; readonly reason: string }) {
  return { actor: printable(actor, 100), reason: printable(reason, 1000) };
}

/** The audit line of a key that was taken out. */
export function keyDistrusted({ at, trustDomain, actor, ...key }: DistrustedKey): NewEvent {
  const { label, keyFingerprint, reason, until } = key;
  const end = until === undefined ? '' : ` until ${until.toISOString()}`;
  return {
    at,
    kind: 'key-distrusted',
    trustDomain,
    actor,
    message: `the key ${label} of ${trustDomain} is distrusted${end}: ${reason}`,
    detail: { key_fingerprint: keyFingerprint, ...(until ? { until: until.toISOString() } : {}) },
  };
}

/**
 * The audit line of a key that counts again; `label` is what it was called when it was taken out.
 */
export function keyTrustedAgain(told: KeyTrustedAgain, label: string): NewEvent {
  const { at, trustDomain, actor, word, reason, keyFingerprint } = told;
  return {
    at,
    kind: 'key-trusted-again',
    trustDomain,
    actor,
    code: word,
    message: `the key ${label} of ${trustDomain} is trusted again: ${reason}`,
    detail: { key_fingerprint: keyFingerprint },
  };
}

/** The audit line of an offer that was rejected for good, or is looked at anew. */
export function offerWord(
  { at, trustDomain, actor, digest, reason }: RejectedOffer,
  kind: 'offer-rejected' | 'offer-reconsidered',
): NewEvent {
  const said =
    kind === 'offer-rejected'
      ? 'is rejected, and not asked about again'
      : 'is no longer rejected, and is judged anew';
  const message = `the offered bundle sha256:${digest} of ${trustDomain} ${said}: ${reason}`;
  return { at, kind, trustDomain, actor, message, detail: { digest } };
}
