import type { PeeringTrustBundle } from '../../grpc/index.ts';
import { pemFromCertificates, type TrustDomain, type X509Authority } from '../../spiffe/index.ts';
import { ownedNameOf } from '../contract/owned-name.ts';

/** The key of a peering's Meta that marks it as ours and names its trust domain. */
export const OWNER_META_KEY = 'federate-trust-domain';

/**
 * What a peer sends: its trust domain and its roots, one certificate for each PEM, in a fixed
 * order.
 */
export function renderTrustBundle(
  trustDomain: TrustDomain,
  roots: readonly X509Authority[],
): PeeringTrustBundle {
  return {
    trust_domain: trustDomain,
    peer_name: '',
    partition: '',
    root_pems: [...roots]
      .sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
      .map(({ der }) => pemFromCertificates([der])),
    exported_partition: '',
  };
}

/** The name of the peering of a trust domain. */
export function peerNameOf(trustDomain: TrustDomain, prefix: string): string {
  return ownedNameOf(trustDomain, prefix);
}
