import { describeAuthority, type VerifyDocument, type VerifyJwtDocument } from '../../admin/index.ts';
import { messageOf } from '../../errors/index.ts';
import type { Clock } from '../../platform/index.ts';
import {
  type BundleSource,
  certificatesFromPem,
  contentDigest,
  JwtSvidError,
  PemError,
  type TrustDomain,
  verifyJwtSvid,
  verifyX509Svid,
  X509SvidError,
} from '../../spiffe/index.ts';
import type { DistrustedKey, Store } from '../../store/index.ts';

/** What `federate verify` needs: every bundle trusted now, and the history that numbers them. */
export interface VerifyParts {
  readonly bundles: BundleSource;
  /**
   * The bundles as they are held, with distrusted keys and stale peers. Used only to explain a
   * refusal.
   */
  readonly held: BundleSource;
  readonly distrusted: (trustDomain: TrustDomain) => readonly DistrustedKey[];
  readonly store: Pick<Store, 'current'>;
  readonly clock: Clock;
  /** Refuses SVIDs whose key usage is missing or not critical, as the agent does then. */
  readonly strictKeyUsage?: boolean;
}

const REFUSED = {
  accepted: false,
  spiffe_id: null,
  trust_domain: null,
  bundle_version: null,
  bundle_digest: null,
};

/**
 * Checks whether this chain (PEM, leaf first) would be accepted now. A refusal is an answer. Throws
 * `StoreError`.
 */
export async function verifyChain(
  parts: VerifyParts,
  pem: string,
  peerRole: 'client' | 'server',
): Promise<VerifyDocument> {
  const { bundles, clock, strictKeyUsage = false } = parts;
  const options = { now: clock.now(), peerRole, strictKeyUsage };
  try {
    const svid = verifyX509Svid(certificatesFromPem(pem), bundles, options);
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
      warnings: svid.warnings,
      code: null,
      message: null,
    };
  } catch (error) {
    if (!(error instanceof X509SvidError || error instanceof PemError)) throw error;
    const why = await butFor(parts, error, async (source) => {
      const svid = verifyX509Svid(certificatesFromPem(pem), source, options);
      return svid.trustDomain;
    });
    return { ...REFUSED, anchor: null, not_after: null, warnings: [], ...why };
  }
}

/**
 * Checks whether a validator with these audiences would accept this token now. A refusal is an
 * answer. Throws `StoreError`.
 */
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
    const { claimedId = null } = error;
    const why = await butFor(parts, error, async (source) => {
      const svid = await verifyJwtSvid(token, source, { now: parts.clock.now(), audiences });
      return svid.trustDomain;
    });
    return { ...REFUSED, claimed_id: claimedId, audiences: [], key: null, not_after: null, ...why };
  }
}

/**
 * Why it is refused, as the operator wants to know it. Where the held bundle would prove it, the
 * reason is the operator's own decision, or the age of the bundle. `verify` gives the trust domain
 * that was proved, or throws.
 */
async function butFor(
  { bundles, held, distrusted }: VerifyParts,
  error: X509SvidError | JwtSvidError | PemError,
  verify: (source: BundleSource) => Promise<TrustDomain>,
): Promise<{ readonly code: string; readonly message: string }> {
  const { code, message } = error;
  if (error instanceof PemError) return { code, message };
  let trustDomain: TrustDomain;
  try {
    trustDomain = await verify(held);
  } catch (heldError) {
    const name = error.trustDomain;
    // The held bundles refuse it too. Then the first reason is the whole one, unless it says that
    // nothing is held.
    if (code !== 'no-bundle' || name === undefined || !held.bundleFor(name)) return { code, message };
    const why = messageOf(heldError);
    return {
      code: 'peer-stale',
      message: `no poll of ${name} has succeeded for longer than its limit allows, so nothing of it counts; what is held of it would refuse this too: ${why}`,
    };
  }
  const stale = held.bundleFor(trustDomain) && !bundles.bundleFor(trustDomain);
  if (stale)
    return {
      code: 'peer-stale',
      message: `it would be accepted, but no poll of ${trustDomain} has succeeded for longer than its limit allows`,
    };
  const keys = distrusted(trustDomain).map(
    ({ label, at, reason }) => `${label} (distrusted since ${at.toISOString()}: ${reason})`,
  );
  if (keys.length === 0) return { code, message };
  return {
    code: 'key-distrusted',
    message: `it would be accepted, but for a key of ${trustDomain} that you distrust: ${keys.join('; ')}`,
  };
}

/**
 * The version whose bundle proved it, distrusted keys among its own. The store is asked by content:
 * memory and store differ for the moment of a change.
 */
async function versionOf(
  { store, bundles, held }: VerifyParts,
  { trustDomain, bundleDigest }: { readonly trustDomain: TrustDomain; readonly bundleDigest: string },
): Promise<number | null> {
  const version = await store.current(trustDomain);
  if (version?.digest === bundleDigest) return version.number;
  const [whole, counting] = [held.bundleFor(trustDomain), bundles.bundleFor(trustDomain)];
  if (!version || !whole || !counting || contentDigest(counting) !== bundleDigest) return null;
  return contentDigest(whole) === version.digest ? version.number : null;
}
