import type {
  AuthorityRef,
  BundleVersion,
  VersionLine,
  DistrustedKey,
  StoredEvent,
  StoredIncident,
} from '../store/index.ts';
import { pinOfBundle, type X509Authority } from '../spiffe/index.ts';
import type { BundleDocument, IncidentDocument, VersionDocument } from './api/bundles.ts';
import type { DistrustedKeyDocument } from './api/distrusted.ts';
import type { AuthorityDocument, ChangedAuthorityDocument, EventDocument } from './api/fields.ts';

/**
 * The admin API's documents from what the store holds: instants as text, sequences as decimal text.
 */

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
