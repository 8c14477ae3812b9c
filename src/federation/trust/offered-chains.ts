import { createHash } from 'node:crypto';
import type { PeerVerifier, VerifiedPeer } from '../../mtls/index.ts';
import { parseCertificate, parseLeafIdentity, trustDomainOf } from '../../spiffe/index.ts';

/**
 * Stands in for a verifier during a pinned bootstrap, where the trust that would judge the endpoint
 * is in the document that the endpoint is about to give. It reads the SPIFFE ID, so that another
 * endpoint is refused at once, and keeps every chain. Nothing that came over these connections may
 * be used before `verifyWith` has returned.
 */
export class OfferedChains implements PeerVerifier {
  readonly #chains: (readonly Uint8Array[])[] = [];

  /** The peer as its leaf names it, not proved yet. Throws as `parseLeafIdentity` does. */
  verify(chain: readonly Uint8Array[]): VerifiedPeer {
    const [leaf] = chain;
    if (!leaf) throw new TypeError('a chain has at least one certificate');
    const id = parseLeafIdentity(leaf);
    this.#chains.push(chain);
    return {
      id,
      trustDomain: trustDomainOf(id),
      chain,
      leafFingerprint: createHash('sha256').update(leaf).digest('hex'),
      anchorFingerprint: '',
      bundleDigest: '',
      notAfter: parseCertificate(leaf).notAfter,
    };
  }

  /** Judges every chain that was shown, redirects included. Throws as the verifier does. */
  verifyWith(verifier: PeerVerifier): void {
    for (const chain of this.#chains) verifier.verify(chain, 'server');
  }
}
