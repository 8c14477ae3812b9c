import { createHash } from 'node:crypto';
import { type PeerVerifier, VerifiedPeers } from '../../mtls/index.ts';
import type { Clock } from '../../platform/index.ts';
import {
  CodedError,
  certificatesFromPem,
  parseCertificate,
  parseLeafIdentity,
  type SpiffeId,
  trustDomainOf,
  verifyX509Path,
  type X509Authority,
  x509AuthorityFromDer,
  X509PathError,
} from '../../spiffe/index.ts';
import type { UriSanMatcher } from '../../workload-api/index.ts';
import { SidecarError } from './errors.ts';
import { checkMatchers, letsIn, matchedText } from './uri-san.ts';

/**
 * Verifies as Envoy does with one `trusted_ca` and SAN matchers. There must be a path to any root
 * of the pool, within the name constraints of the roots, and a matcher must admit the ID. Without a
 * matcher no peer is admitted. The pool itself binds no root to a trust domain; narrowed anchors do
 * that. Our leaf rules apply too. Throws `SidecarError` `trust-malformed` when the pool holds
 * anything but CA certificates, or a matcher is not the beginning of an ID.
 */
export function createMergedVerifier(options: {
  readonly trustedCaPem: string;
  readonly allowedUriSans: readonly UriSanMatcher[];
  readonly clock: Clock;
}): PeerVerifier {
  const { trustedCaPem, allowedUriSans, clock } = options;
  checkMatchers(allowedUriSans);
  const anchors = readAnchors(trustedCaPem);
  const bundleDigest = createHash('sha256').update(trustedCaPem).digest('hex');
  // The pool of one verifier never changes, so what it accepted holds until something on the path
  // ends.
  const accepted = new VerifiedPeers<undefined>();
  return {
    verify(chain, peerRole) {
      const now = clock.now();
      const known = accepted.find(chain, peerRole, now, () => true);
      if (known) return known;
      const [leaf, ...helpers] = chain;
      if (!leaf) throw new SidecarError('path-refused', 'the peer showed no certificate');
      const id = parseLeafIdentity(leaf);
      if (!letsIn(allowedUriSans, id)) throw notAccepted(id, allowedUriSans);
      try {
        const { anchor, notAfter } = verifyX509Path({ leaf, helpers, anchors, now, purpose: peerRole });
        const peer = {
          id,
          trustDomain: trustDomainOf(id),
          notAfter,
          chain,
          bundleDigest,
          anchorFingerprint: parseCertificate(anchor).fingerprint,
          leafFingerprint: parseCertificate(leaf).fingerprint,
        };
        accepted.remember(peerRole, peer, undefined);
        return peer;
      } catch (cause) {
        if (!(cause instanceof X509PathError)) throw cause;
        throw new SidecarError('path-refused', `no root of this mesh vouches for ${id}: ${cause.message}`, {
          cause,
        });
      }
    },
  };
}

function notAccepted(id: SpiffeId, matchers: readonly UriSanMatcher[]): SidecarError {
  const trustDomain = trustDomainOf(id);
  if (matchers.some((matcher) => matchedText(matcher).startsWith(`spiffe://${trustDomain}/`)))
    return new SidecarError('id-not-accepted', `this mesh accepts no peer with the ID ${id}`);
  return new SidecarError(
    'trust-domain-not-accepted',
    `this mesh has no bundle of trust domain ${trustDomain}, which ${id} belongs to`,
  );
}

function readAnchors(pem: string): X509Authority[] {
  try {
    return certificatesFromPem(pem).map(x509AuthorityFromDer);
  } catch (cause) {
    const why = cause instanceof CodedError ? cause.message : String(cause);
    throw new SidecarError('trust-malformed', `the trusted roots cannot be read: ${why}`, { cause });
  }
}
