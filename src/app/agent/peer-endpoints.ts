import type { FederationAgent } from '../../federation/index.ts';
import type { PeerEndpoints } from '../../mesh-adapters/index.ts';
import { type TrustDomain, trustDomainOf } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';

/**
 * Where a mesh that polls by itself may do so, for each peer: at the first address of its endpoint, as long as it would find there what
 * the operator lets in. Where the operator has kept something out, the mesh would take it; there it is given our bundle.
 */
export function peerEndpoints(
  federation: Pick<FederationAgent, 'relationshipWith' | 'bundles'>,
  own: () => TrustDomain | undefined,
): PeerEndpoints {
  return (trustDomain) => {
    const relationship = federation.relationshipWith(trustDomain);
    if (!relationship) return { why: `there is no relationship with ${trustDomain}` };
    const why = whyNot(relationship, own());
    if (why !== undefined) return { why };
    if ((federation.bundles.distrustedKeys?.(trustDomain)?.size ?? 0) > 0)
      return { why: `a key of ${trustDomain} is distrusted, which a poll would bring back` };
    const { endpointUrl: url, profile } = relationship;
    return profile.kind === 'signed_bundle'
      ? { why: `the bundle of ${trustDomain} comes signed, which the mesh cannot check` }
      : { url, profile };
  };
}

function whyNot(relationship: Relationship, own: TrustDomain | undefined): string | undefined {
  const { trustDomain, profile, state, webPkiCaPem, staleAfterSeconds } = relationship;
  if (state !== 'active' && state !== 'failing')
    return `the relationship with ${trustDomain} is ${state}, and a poll would not heed that`;
  if (relationship.policy === 'ask-always')
    return `every change of ${trustDomain} is to wait for the operator, and a poll would not`;
  if (staleAfterSeconds !== undefined)
    return `trust in ${trustDomain} is to end ${staleAfterSeconds} s after the last good poll, and in the mesh it would not`;
  if (profile.kind === 'https_web' && webPkiCaPem !== undefined)
    return `the endpoint of ${trustDomain} is proved by a CA of its own, which the mesh does not know`;
  if (profile.kind === 'https_spiffe') {
    const prover = trustDomainOf(profile.endpointId);
    if (prover !== trustDomain && prover !== own)
      return `the endpoint of ${trustDomain} is proved by ${prover}, whose bundle the mesh may not hold`;
  }
  return undefined;
}
