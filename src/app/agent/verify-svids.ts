import { describeAuthority, type VerifyDocument, type VerifyJwtDocument } from '../../dashboard/index.ts';
import type { Clock } from '../../platform/index.ts';
import {
  type BundleSource,
  certificatesFromPem,
  JwtSvidError,
  PemError,
  type TrustDomain,
  verifyJwtSvid,
  verifyX509Svid,
  X509SvidError,
} from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';

/** What verifying on an operator's behalf needs: every bundle trusted now, and the history that numbers them. */
export interface VerifyParts {
  readonly bundles: BundleSource;
  readonly store: Pick<Store, 'current'>;
  readonly clock: Clock;
}

const REFUSED = {
  accepted: false,
  spiffe_id: null,
  trust_domain: null,
  bundle_version: null,
  bundle_digest: null,
};

/** Would this chain (PEM, leaf first) be accepted now? A refusal is an answer. Throws `StoreError`. */
export async function verifyChain(
  parts: VerifyParts,
  pem: string,
  peerRole: 'client' | 'server',
): Promise<VerifyDocument> {
  const { bundles, clock } = parts;
  try {
    const svid = verifyX509Svid(certificatesFromPem(pem), bundles, { now: clock.now(), peerRole });
    const anchor = bundles
      .bundleFor(svid.trustDomain)
      ?.x509Authorities.find((authority) => authority.fingerprint === svid.anchorFingerprint);
    return {
      accepted: true,
      spiffe_id: svid.id,
      trust_domain: svid.trustDomain,
      anchor: anchor ? describeAuthority(anchor) : null,
      bundle_version: await versionOf(parts, svid),
      bundle_digest: svid.bundleDigest,
      not_after: svid.notAfter.toISOString(),
      code: null,
      message: null,
    };
  } catch (error) {
    if (!(error instanceof X509SvidError || error instanceof PemError)) throw error;
    return { ...REFUSED, anchor: null, not_after: null, code: error.code, message: error.message };
  }
}

/** Would this token be accepted now by a validator with these audiences? A refusal is an answer. Throws `StoreError`. */
export async function verifyToken(
  parts: VerifyParts,
  token: string,
  audiences: readonly string[],
): Promise<VerifyJwtDocument> {
  try {
    const svid = await verifyJwtSvid(token, parts.bundles, { now: parts.clock.now(), audiences });
    return {
      accepted: true,
      spiffe_id: svid.id,
      trust_domain: svid.trustDomain,
      claimed_id: svid.id,
      audiences: svid.audiences,
      key: { key_id: svid.authority.keyId, algorithm: svid.algorithm },
      bundle_version: await versionOf(parts, svid),
      bundle_digest: svid.bundleDigest,
      not_after: svid.expiresAt.toISOString(),
      code: null,
      message: null,
    };
  } catch (error) {
    if (!(error instanceof JwtSvidError)) throw error;
    const { code, message, claimedId = null } = error;
    return { ...REFUSED, claimed_id: claimedId, audiences: [], key: null, not_after: null, code, message };
  }
}

/** The version whose bundle proved it. The store is asked by content: memory and store differ for the moment of a change. */
async function versionOf(
  { store }: VerifyParts,
  { trustDomain, bundleDigest }: { readonly trustDomain: TrustDomain; readonly bundleDigest: string },
): Promise<number | null> {
  const version = await store.current(trustDomain);
  return version?.digest === bundleDigest ? version.number : null;
}
