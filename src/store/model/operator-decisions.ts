import { printable } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { NewEvent } from './event.ts';

/** A key that the operator distrusts, whatever the bundles of its trust domain contain. */
export interface DistrustedKey {
  readonly trustDomain: TrustDomain;
  /** SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits. */
  readonly keyFingerprint: string;
  /** Its label when it was distrusted: six digits and the subject or the key ID. */
  readonly label: string;
  readonly at: Date;
  readonly actor: string;
  readonly reason: string;
  /** When the distrust ends by itself; absent: never. */
  readonly until?: Date;
}

/** The end of a key's distrust: by a decision of the operator, or because its time was over. */
export interface KeyTrustedAgain extends Omit<DistrustedKey, 'label' | 'until'> {
  readonly decision: 'trusted-again' | 'lapsed';
}

/**
 * An offered bundle that the operator rejected for good, by its `contentDigest`, or whose rejection
 * ended.
 */
export interface RejectedOffer {
  readonly trustDomain: TrustDomain;
  readonly digest: string;
  readonly at: Date;
  readonly actor: string;
  readonly reason: string;
}

const HEX64 = /^[0-9a-f]{64}$/;

/**
 * The distrust as it is stored: texts printable and of bounded length. Throws `TypeError` for a
 * malformed fingerprint.
 */
export function cleanDistrust(key: DistrustedKey): DistrustedKey {
  if (!HEX64.test(key.keyFingerprint)) throw new TypeError('a key fingerprint has 64 hex digits');
  return { ...key, ...cleanDecision(key), label: printable(key.label, 200) };
}

/**
 * The rejection as it is stored: texts printable and of bounded length. Throws `TypeError` for a
 * malformed digest.
 */
export function cleanRejection(offer: RejectedOffer): RejectedOffer {
  if (!HEX64.test(offer.digest)) throw new TypeError('a digest has 64 hex digits');
  return { ...offer, ...cleanDecision(offer) };
}

/** The actor and the reason, as they are stored. */
export function cleanDecision({ actor, reason }: { readonly actor: string; readonly reason: string }) {
  return { actor: printable(actor, 100), reason: printable(reason, 1000) };
}

/** The audit line of a key's distrust. */
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
 * The audit line of a key that is trusted again. `label` is its label from when it was distrusted.
 */
export function keyTrustedAgain(ended: KeyTrustedAgain, label: string): NewEvent {
  const { at, trustDomain, actor, decision, reason, keyFingerprint } = ended;
  return {
    at,
    kind: 'key-trusted-again',
    trustDomain,
    actor,
    code: decision,
    message: `the key ${label} of ${trustDomain} is trusted again: ${reason}`,
    detail: { key_fingerprint: keyFingerprint },
  };
}

/** The audit line of an offer that was rejected for good, or whose rejection ended. */
export function offerDecided(
  { at, trustDomain, actor, digest, reason }: RejectedOffer,
  kind: 'offer-rejected' | 'offer-reconsidered',
): NewEvent {
  const outcome =
    kind === 'offer-rejected'
      ? 'is rejected and will not wait for the operator again'
      : 'is no longer rejected and is judged again';
  const message = `the offered bundle sha256:${digest} of ${trustDomain} ${outcome}: ${reason}`;
  return { at, kind, trustDomain, actor, message, detail: { digest } };
}
