import { printable } from '../../platform/index.ts';
import type { TrustBundle, TrustDomain } from '../../spiffe/index.ts';

/**
 * Why a version became current: the bootstrap of a relationship · accepted from its endpoint · our
 * own mesh's roots · a decision of the operator. Only the operator may go back to a lower sequence
 * (FED-52).
 */
export type VersionVerdict = 'bootstrap' | 'accepted' | 'own' | 'operator';

/**
 * A bundle on its way into the history. The store computes its document, its digest and its
 * changes.
 */
export interface NewVersion {
  readonly bundle: TrustBundle;
  readonly receivedAt: Date;
  readonly verdict: VersionVerdict;
  /** Its source: an endpoint URL, a mesh adapter (`istio`), or a file. */
  readonly origin: string;
  /** The certificate that proved it: SHA-256 of the endpoint's leaf and of its root. */
  readonly provedBy?: string;
}

/** One key of a bundle as the history names it. */
export interface AuthorityRef {
  readonly kind: 'x509' | 'jwt';
  /**
   * SHA-256 of the certificate, or of key ID and key of a JWT authority, 64 lower-case hex digits.
   */
  readonly fingerprint: string;
  /**
   * Six digits of the fingerprint and the subject or key ID, safe to print: `3f2a91
   * O=istio.example,CN=Root 1`.
   */
  readonly label: string;
}

/** What a version changed, compared with the one before it in the same relationship. */
export interface VersionChange {
  readonly added: readonly AuthorityRef[];
  readonly removed: readonly AuthorityRef[];
  readonly kept: readonly AuthorityRef[];
}

/** One line of a trust domain's history. Never changed once written. */
export interface BundleVersion {
  readonly trustDomain: TrustDomain;
  /**
   * 1, 2, 3 … per trust domain. The numbers continue after a relationship is removed and added
   * again.
   */
  readonly number: number;
  readonly bundle: TrustBundle;
  /** The canonical document (`serializeBundle`). */
  readonly document: Uint8Array;
  /** `contentDigest` of the bundle. */
  readonly digest: string;
  readonly receivedAt: Date;
  readonly verdict: VersionVerdict;
  readonly origin: string;
  readonly provedBy?: string;
  readonly diff: VersionChange;
}

/** The version with its texts printable and of bounded length. */
export function cleanVersion(version: NewVersion): NewVersion {
  const { provedBy, ...rest } = version;
  return {
    ...rest,
    origin: printable(version.origin, 2048),
    ...(provedBy === undefined ? {} : { provedBy: printable(provedBy, 1000) }),
  };
}
