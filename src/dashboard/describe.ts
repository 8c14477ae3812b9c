import type {
  AuthorityRef,
  BundleVersion,
  VersionLine,
  DistrustedKey,
  Relationship,
  StoredEvent,
  StoredIncident,
} from '../store/index.ts';
import { pinOfBundle, type TrustDomain, type X509Authority } from '../spiffe/index.ts';
import type {
  AuthorityDocument,
  BundleDocument,
  ChangedAuthorityDocument,
  EventDocument,
  IncidentDocument,
  RelationshipDocument,
  VersionDocument,
  WarningDocument,
} from '../admin-client/index.ts';
import type { DistrustedKeyDocument } from '../admin-client/index.ts';
import type { InMeshDocument } from '../admin-client/index.ts';

/** The admin API's documents from what the store holds: instants as text, sequences as decimal text. */

export function describeAuthority(authority: X509Authority): AuthorityDocument {
  return {
    fingerprint: authority.fingerprint,
    key_fingerprint: authority.keyFingerprint,
    subject: authority.subject,
    not_before: authority.notBefore.toISOString(),
    not_after: authority.notAfter.toISOString(),
  };
}

export function describeBundle(version: BundleVersion): BundleDocument {
  const { bundle } = version;
  return {
    trust_domain: version.trustDomain,
    version: version.number,
    sequence: bundle.sequence?.toString() ?? null,
    refresh_hint_seconds: bundle.refreshHintSeconds ?? null,
    digest: version.digest,
    pin: pinOfBundle(bundle),
    received_at: version.receivedAt.toISOString(),
    verdict: version.verdict,
    origin: version.origin,
    x509_authorities: bundle.x509Authorities.map(describeAuthority),
    jwt_key_ids: bundle.jwtAuthorities.map((authority) => authority.keyId),
    left_out: [],
    document: Buffer.from(version.document).toString('utf8'),
  };
}

export function describeVersion(version: VersionLine): VersionDocument {
  return {
    trust_domain: version.trustDomain,
    version: version.number,
    sequence: version.sequence?.toString() ?? null,
    digest: version.digest,
    received_at: version.receivedAt.toISOString(),
    verdict: version.verdict,
    origin: version.origin,
    proved_by: version.provedBy ?? null,
    added: version.diff.added.map(describeChanged),
    removed: version.diff.removed.map(describeChanged),
  };
}

export function describeChanged({ kind, fingerprint, label }: AuthorityRef): ChangedAuthorityDocument {
  return { kind, fingerprint, label };
}

export function describeIncident(incident: StoredIncident): IncidentDocument {
  return {
    began_at: incident.at.toISOString(),
    last_at: incident.lastAt.toISOString(),
    ended_at: incident.endedAt?.toISOString() ?? null,
    count: incident.count,
    kind: incident.kind,
    code: incident.code,
    message: incident.message,
  };
}

export function describeEvent(event: StoredEvent): EventDocument {
  return {
    id: event.id,
    at: event.at.toISOString(),
    kind: event.kind,
    trust_domain: event.trustDomain ?? null,
    actor: event.actor,
    code: event.code ?? null,
    message: event.message,
  };
}

export function describeDistrusted(key: DistrustedKey): DistrustedKeyDocument {
  const { trustDomain, keyFingerprint, label, at, until, actor, reason } = key;
  return {
    trust_domain: trustDomain,
    key_fingerprint: keyFingerprint,
    label,
    since: at.toISOString(),
    until: until?.toISOString() ?? null,
    actor,
    reason,
  };
}

/** Warnings about the agent itself on which the trust in every peer depends. */
const CONCERN_ALL: ReadonlySet<WarningDocument['code']> = new Set(['store-unusable']);

export function describeRelationship(
  relationship: Relationship,
  held: BundleVersion | undefined,
  seen: {
    inMesh(trustDomain: TrustDomain): InMeshDocument | null;
    peerHolds(trustDomain: TrustDomain): RelationshipDocument['peer_holds'];
    distrusted(): readonly DistrustedKeyDocument[];
    endpoints(trustDomain: TrustDomain): RelationshipDocument['endpoints'];
    theirSide(trustDomain: TrustDomain): RelationshipDocument['their_side'];
    countingAuthorities(trustDomain: TrustDomain): number | undefined;
  },
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
    distrusted: seen.distrusted().filter(({ trust_domain: name }) => name === relationship.trustDomain),
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
