import type { Clock } from '../platform/index.ts';
import {
  type BundleSource,
  contentDigest,
  type TrustBundle,
  verifyX509Svid,
  type X509Svid,
} from '../spiffe/index.ts';
import type { PeerVerifier, VerifiedPeer } from './peer.ts';
import { VerifiedPeers } from './verified-peers.ts';

/** The trust behind an accepted chain. */
interface Trust {
  readonly bundle: TrustBundle;
  readonly distrusted: ReadonlySet<string> | undefined;
}

/**
 * A verifier that takes the anchors of the peer's own trust domain from `bundles` and from nowhere
 * else (X509-20, X509-23). It remembers an accepted chain for exactly the certificates as sent. A
 * memory holds as long as the bundle content and the distrusted keys stay the same and nothing on
 * the path has ended. Refusals are never remembered.
 */
export function createSpiffeVerifier(options: {
  readonly bundles: BundleSource;
  readonly clock: Clock;
  /** How many accepted chains are remembered, 0 for none; default 4096. */
  readonly cacheEntries?: number;
  /** Refuses leaves whose key usage is missing or not critical (X509-11). */
  readonly strictKeyUsage?: boolean | undefined;
  /**
   * Called for an accepted leaf that a strict verifier would refuse; not again while the leaf is
   * remembered.
   */
  readonly onWarning?: (svid: X509Svid) => void;
}): PeerVerifier {
  const { bundles, clock, cacheEntries, strictKeyUsage = false, onWarning } = options;
  const accepted = new VerifiedPeers<Trust>(cacheEntries);
  const stillTrusted = (peer: VerifiedPeer, { bundle, distrusted }: Trust) => {
    if (bundles.distrustedKeys?.(peer.trustDomain) !== distrusted) return false;
    const held = bundles.bundleFor(peer.trustDomain);
    return held === bundle || (held !== undefined && contentDigest(held) === peer.bundleDigest);
  };
  return {
    verify(chain, peerRole) {
      const now = clock.now();
      const known = accepted.find(chain, peerRole, now, stillTrusted);
      if (known) return known;
      const svid = verifyX509Svid(chain, bundles, { now, peerRole, strictKeyUsage });
      if (svid.warnings.length > 0) onWarning?.(svid);
      const peer: VerifiedPeer = {
        id: svid.id,
        trustDomain: svid.trustDomain,
        anchorFingerprint: svid.anchorFingerprint,
        leafFingerprint: svid.fingerprint,
        bundleDigest: svid.bundleDigest,
        notAfter: svid.notAfter,
        chain,
      };
      const bundle = bundles.bundleFor(svid.trustDomain);
      const distrusted = bundles.distrustedKeys?.(svid.trustDomain);
      if (bundle) accepted.remember(peerRole, peer, { bundle, distrusted });
      return peer;
    },
  };
}
