import {
  describeDistrusted,
  type DistrustedKeyDocument,
  type RelationshipDocument,
} from '../../admin/index.ts';
import type { EndpointHealth, Federation, PeerHolding, PeerHoldings } from '../../federation/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';
import type { ForeignTrust } from '../foreign-trust.ts';
import { describeReport } from './describe-report.ts';

/** What the running agent sees of its peers, which is not in the store or newer than there. */
export interface PeersSeen {
  /**
   * The relationship as the agent uses it, which is newer than the store's; undefined where none is
   * polled.
   */
  standing(trustDomain: TrustDomain): Relationship | undefined;
  /** Every relationship, by trust domain, for the time in which the store cannot be read. */
  standings(): readonly Relationship[];
  /** How many roots and JWT keys of a peer count now; undefined where none is polled. */
  countingAuthorities(trustDomain: TrustDomain): number | undefined;
  distrusted(trustDomain: TrustDomain): readonly DistrustedKeyDocument[];
  endpoints(trustDomain: TrustDomain): RelationshipDocument['endpoints'];
  theirSide(trustDomain: TrustDomain): RelationshipDocument['their_side'];
  inMesh(trustDomain: TrustDomain): RelationshipDocument['in_mesh'];
  /** What the peer has proved that it holds of our bundle. */
  peerHolds(trustDomain: TrustDomain): RelationshipDocument['peer_holds'];
}

/** Looks at the parts of the agent that know peers. */
export function peersSeen({
  federation,
  foreignTrust,
  holdings,
}: {
  readonly federation: Federation;
  readonly foreignTrust: Pick<ForeignTrust, 'of'>;
  readonly holdings: Pick<PeerHoldings, 'of'>;
}): PeersSeen {
  return {
    standing: (trustDomain) => federation.peers.find(trustDomain)?.relationship,
    standings: () => federation.peers.status(),
    countingAuthorities: (trustDomain) => {
      if (!federation.peers.find(trustDomain)) return undefined;
      const counting = federation.bundles.bundleFor(trustDomain);
      return (counting?.x509Authorities.length ?? 0) + (counting?.jwtAuthorities.length ?? 0);
    },
    distrusted: (trustDomain) =>
      federation.distrusts
        .list()
        .filter((key) => key.trustDomain === trustDomain)
        .map(describeDistrusted),
    endpoints: (trustDomain) => federation.peers.find(trustDomain)?.endpoints().map(describeEndpoint) ?? [],
    theirSide: (trustDomain) => {
      const side = federation.theirSides.of(trustDomain);
      if (!side) return null;
      const { state, since, reportedAt } = side;
      return { state, since: since.toISOString(), last_heard_at: reportedAt?.toISOString() ?? null };
    },
    inMesh: (trustDomain) => describeReport(foreignTrust.of(trustDomain)),
    peerHolds: (trustDomain) => describeHolding(holdings.of(trustDomain)),
  };
}

function describeEndpoint({
  url,
  inUse,
  lastSuccessAt,
  lastFailure,
}: EndpointHealth): RelationshipDocument['endpoints'][number] {
  return {
    url,
    in_use: inUse,
    last_success_at: lastSuccessAt?.toISOString() ?? null,
    last_failure_at: lastFailure?.at.toISOString() ?? null,
    last_failure_code: lastFailure?.code ?? null,
    last_failure: lastFailure?.message ?? null,
  };
}

function describeHolding(holding: PeerHolding | undefined): RelationshipDocument['peer_holds'] {
  if (!holding) return null;
  const { digest, sequence, since, inMesh, signer, seenAt } = holding;
  return {
    digest,
    sequence: sequence?.toString() ?? null,
    since: since.toISOString(),
    in_mesh: inMesh ? { progress: inMesh.progress, since: inMesh.since.toISOString() } : null,
    signer,
    seen_at: seenAt.toISOString(),
  };
}
