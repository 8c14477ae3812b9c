import {
  AdminError,
  type HandlersOf,
  type RelationshipDocument,
  type relationshipRoutes,
  type WarningDocument,
} from '../../admin/index.ts';
import { parseTrustDomain } from '../../spiffe/index.ts';
import { type BundleVersion, type Relationship, type Store, StoreError } from '../../store/index.ts';
import type { Attention } from '../attention.ts';
import type { PeersSeen } from './peers-seen.ts';

/**
 * Answers with the state of the relationships: from memory what the agent sees of a peer, and from
 * the store what it holds.
 */
export function relationshipHandlers({
  store,
  seen,
  attention,
}: {
  readonly store: Pick<Store, 'current' | 'currentAll' | 'relationship' | 'relationships'>;
  readonly seen: PeersSeen;
  readonly attention: Pick<Attention, 'list'>;
}): HandlersOf<Extract<keyof typeof relationshipRoutes, `GET ${string}`>> {
  return {
    'GET /v1/relationships': async () => {
      const versions = await read(
        () => store.currentAll(),
        () => [],
      );
      const held = new Map(versions.map((version) => [version.trustDomain, version]));
      const relationships = await read(
        () => store.relationships(),
        () => seen.standings(),
      );
      const warnings = await attention.list();
      return relationships.map((each) =>
        describeRelationship(
          seen.standing(each.trustDomain) ?? each,
          held.get(each.trustDomain),
          seen,
          warnings,
        ),
      );
    },
    'GET /v1/relationships/{trust_domain}': async ({ params }) => {
      const name = parseTrustDomain(params.trust_domain);
      const relationship = await read(
        () => store.relationship(name),
        () => seen.standing(name),
      );
      if (!relationship) throw new AdminError('not-federated', `there is no relationship with ${name}`);
      const held = await read(
        () => store.current(name),
        () => undefined,
      );
      return describeRelationship(seen.standing(name) ?? relationship, held, seen, await attention.list());
    },
  };
}

/** What the store holds, or `instead` while it cannot be read. A warning reports that then. */
async function read<Result>(ask: () => Promise<Result>, instead: () => Result): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof StoreError) return instead();
    throw error;
  }
}

/** Warnings about the agent itself on which the trust in every peer depends. */
const CONCERN_ALL: ReadonlySet<WarningDocument['code']> = new Set(['store-unusable']);

function describeRelationship(
  relationship: Relationship,
  held: BundleVersion | undefined,
  seen: PeersSeen,
  warnings: readonly WarningDocument[],
): RelationshipDocument {
  const { profile } = relationship;
  const authorities = (held?.bundle.x509Authorities.length ?? 0) + (held?.bundle.jwtAuthorities.length ?? 0);
  return {
    trust_domain: relationship.trustDomain,
    endpoint_url: relationship.endpointUrl,
    more_endpoint_urls: relationship.moreEndpointUrls ?? [],
    endpoints: seen.endpoints(relationship.trustDomain),
    their_side: seen.theirSide(relationship.trustDomain),
    policy: relationship.policy ?? 'ask-on-dangerous',
    stale_after_seconds: relationship.staleAfterSeconds ?? null,
    profile: profile.kind,
    endpoint_id: profile.kind === 'https_spiffe' ? profile.endpointId : null,
    signer_id: profile.kind === 'signed_bundle' ? profile.signerId : null,
    state: relationship.state,
    reason: relationship.stateReason ?? null,
    bootstrap: `${relationship.bootstrap.kind}: ${relationship.bootstrap.detail}`,
    distrusted: seen.distrusted(relationship.trustDomain),
    created_at: relationship.createdAt.toISOString(),
    last_attempt_at: relationship.lastAttemptAt?.toISOString() ?? null,
    last_success_at: relationship.lastSuccessAt?.toISOString() ?? null,
    next_poll_at: relationship.nextPollAt?.toISOString() ?? null,
    consecutive_failures: relationship.consecutiveFailures,
    sequence: held?.bundle.sequence?.toString() ?? null,
    warnings: warnings.filter(
      ({ trust_domain: name, code }) => name === relationship.trustDomain || CONCERN_ALL.has(code),
    ),
    version: held?.number ?? null,
    authorities,
    authorities_counting: seen.countingAuthorities(relationship.trustDomain) ?? authorities,
    in_mesh: seen.inMesh(relationship.trustDomain),
    peer_holds: seen.peerHolds(relationship.trustDomain),
  };
}
