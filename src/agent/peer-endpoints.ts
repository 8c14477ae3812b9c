import type { PeerEndpoints } from '../mesh-adapters/index.ts';
import { type BundleSource, type TrustDomain, trustDomainOf } from '../spiffe/index.ts';
import type { Relationship } from '../store/index.ts';

/**
 * For a mesh that polls by itself: the endpoint of each peer that it may poll. That is the first
 * address, while a poll there finds what the operator admits. Where the operator has excluded
 * something, a poll would bring it back, so the mesh gets our bundle instead.
 */
export function peerEndpoints(
  federation: {
    readonly relationshipWith: (trustDomain: TrustDomain) => Relationship | undefined;
    readonly bundles: BundleSource;
  },
  own: () => TrustDomain | undefined,
): PeerEndpoints {
  return (trustDomain) => {
    const relationship = federation.relationshipWith(trustDomain);
    if (!relationship) return { why: `we have no relationship with ${trustDomain}` };
    const why = whyNot(relationship, own());
    if (why !== undefined) return { why };
    if ((federation.bundles.distrustedKeys?.(trustDomain)?.size ?? 0) > 0)
      return { why: `a key of ${trustDomain} is distrusted, which a poll would bring back` };
    const { endpointUrl: url, profile } = relationship;
    return profile.kind === 'signed_bundle'
      ? { why: `the bundle of ${trustDomain} is signed, which the mesh cannot check` }
      : { url, profile };
  };
}

function whyNot(relationship: Relationship, own: TrustDomain | undefined): string | undefined {
  const { trustDomain, profile, state, webPkiCaPem, staleAfterSeconds } = relationship;
  if (state !== 'active' && state !== 'failing')
    return `the relationship with ${trustDomain} is ${state}, and a poll by the mesh would ignore that`;
  if (relationship.policy === 'ask-always')
    return `every change of ${trustDomain} is to wait for the operator, and a poll would not`;
  if (staleAfterSeconds !== undefined)
    return `trust in ${trustDomain} is to end ${staleAfterSeconds} s after the last good poll, and in the mesh it would not`;
  if (profile.kind === 'https_web' && webPkiCaPem !== undefined)
    return `the endpoint of ${trustDomain} is verified by a CA of its own, which the mesh does not know`;
  if (profile.kind === 'https_spiffe') {
    const prover = trustDomainOf(profile.endpointId);
    if (prover !== trustDomain && prover !== own)
      return `the endpoint of ${trustDomain} is verified by ${prover}, whose bundle the mesh may not hold`;
  }
  return undefined;
}
