import { createHash } from 'node:crypto';
import type { PeerVerifier } from '../mtls/index.ts';
import type { Clock } from '../platform/index.ts';
import {
  CodedError,
  certificatesFromPem,
  parseCertificate,
  parseLeafIdentity,
  trustDomainOf,
  verifyX509Path,
  X509PathError,
} from '../spiffe/index.ts';
import type { UriSanMatcher } from '../workload-api/index.ts';
import { SidecarError } from './errors.ts';

/**
 * Verifies as Envoy does with one `trusted_ca` and SAN matchers: a path to any root of the pool, name constraints of the roots
 * included, and an ID that a matcher lets in. The pool itself binds no root to a trust domain: that is what narrowed anchors
 * are for. Our leaf rules hold besides. Throws `SidecarError` `trust-malformed` when the PEM holds no certificates.
 */
export function createMergedVerifier(options: {
  readonly trustedCaPem: string;
  readonly allowedUriSans: readonly UriSanMatcher[];
  readonly clock: Clock;
}): PeerVerifier {
  const { trustedCaPem, allowedUriSans, clock } = options;
  const anchors = readAnchors(trustedCaPem);
  const bundleDigest = createHash('sha256').update(trustedCaPem).digest('hex');
  return {
    verify(chain, peerRole) {
      const [leaf, ...helpers] = chain;
      if (!leaf) throw new SidecarError('path-refused', 'the peer showed no certificate');
      const id = parseLeafIdentity(leaf);
      const trustDomain = trustDomainOf(id);
      if (
        !allowedUriSans.some((matcher) =>
          'exact' in matcher ? id === matcher.exact : id.startsWith(matcher.prefix),
        )
      ) {
        const known = allowedUriSans.some((matcher) =>
          ('exact' in matcher ? matcher.exact : matcher.prefix).startsWith(`spiffe://${trustDomain}/`),
        );
        if (known) throw new SidecarError('id-not-accepted', `this mesh accepts no peer with the ID ${id}`);
        throw new SidecarError(
          'trust-domain-not-accepted',
          `this mesh has no bundle of trust domain ${trustDomain}, which ${id} belongs to`,
        );
      }
      try {
        const { anchor, notAfter } = verifyX509Path({
          leaf,
          helpers,
          anchors,
          now: clock.now(),
          purpose: peerRole,
        });
        return {
          id,
          trustDomain,
          notAfter,
          chain,
          bundleDigest,
          anchorFingerprint: parseCertificate(anchor).fingerprint,
          leafFingerprint: parseCertificate(leaf).fingerprint,
        };
      } catch (cause) {
        if (!(cause instanceof X509PathError)) throw cause;
        throw new SidecarError('path-refused', `no root of this mesh vouches for ${id}: ${cause.message}`, {
          cause,
        });
      }
    },
  };
}

function readAnchors(pem: string): Uint8Array[] {
  try {
    return certificatesFromPem(pem);
  } catch (cause) {
    const why = cause instanceof CodedError ? cause.message : String(cause);
    throw new SidecarError('trust-malformed', `the trusted roots cannot be read: ${why}`, { cause });
  }
}
