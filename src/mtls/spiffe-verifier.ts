import { createHash } from 'node:crypto';
import type { Clock } from '../platform/index.ts';
import { type BundleSource, contentDigest, type TrustBundle, verifyX509Svid } from '../spiffe/index.ts';
import type { PeerRole, PeerVerifier, VerifiedPeer } from './peer.ts';

/** Peers remembered by default; one costs about 4 KB. */
const DEFAULT_CACHE_ENTRIES = 4096;

interface Remembered {
  readonly peer: VerifiedPeer;
  readonly bundle: TrustBundle;
}

/**
 * A verifier that takes the anchors of the peer's own trust domain from `bundles` and from nowhere else (X509-20,
 * X509-23). What it accepted it remembers, for exactly the certificates as sent and as long as the same bundle
 * content is held and nothing on the path has ended; refusals are never remembered.
 */
export function createSpiffeVerifier(options: {
  readonly bundles: BundleSource;
  readonly clock: Clock;
  /** How many accepted chains are remembered, 0 for none. */
  readonly cacheEntries?: number;
}): PeerVerifier {
  const { bundles, clock, cacheEntries = DEFAULT_CACHE_ENTRIES } = options;
  const remembered = new Map<string, Remembered>();
  return {
    verify(chain, peerRole) {
      const now = clock.now();
      const key = digestOf(chain, peerRole);
      const known = remembered.get(key);
      if (known && stillHolds(known, bundles, now)) return known.peer;
      remembered.delete(key);
      const svid = verifyX509Svid(chain, bundles, { now, peerRole });
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
      if (bundle && cacheEntries > 0) {
        const oldest = remembered.keys().next().value;
        if (remembered.size >= cacheEntries && oldest !== undefined) remembered.delete(oldest);
        remembered.set(key, { peer, bundle });
      }
      return peer;
    },
  };
}

function stillHolds({ peer, bundle }: Remembered, bundles: BundleSource, now: Date): boolean {
  if (now > peer.notAfter) return false;
  const held = bundles.bundleFor(peer.trustDomain);
  return held === bundle || (held !== undefined && contentDigest(held) === peer.bundleDigest);
}

/** Lengths go in too, so that no two chains share a digest by being cut differently. */
function digestOf(chain: readonly Uint8Array[], peerRole: PeerRole): string {
  const hash = createHash('sha256').update(peerRole);
  const length = Buffer.alloc(4);
  for (const der of chain) {
    length.writeUInt32BE(der.length);
    hash.update(length).update(der);
  }
  return hash.digest('base64');
}
