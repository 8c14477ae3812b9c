import type { TrustDomain } from '../../spiffe/index.ts';

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
