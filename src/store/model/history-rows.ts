import { serializeBundle } from '../../spiffe/index.ts';
import type { BundleVersion } from './bundle-version.ts';
import type { CatalogueVersion } from './catalogue-version.ts';
import type { StoredEvent } from './event.ts';
import type { StoredIncident } from './incident.ts';
import type { DistrustedKey, RejectedOffer } from './operator-decisions.ts';
import type { KeyDecision } from './trusted-at.ts';

/** A row of the table of versions. */
export function versionRow(version: Omit<BundleVersion, 'diff'>) {
  const { trustDomain, number, receivedAt, bundle, verdict, origin, provedBy, digest, document } = version;
  return {
    trust_domain: trustDomain,
    number,
    received_at: receivedAt.toISOString(),
    sequence: bundle.sequence?.toString() ?? null,
    verdict,
    origin,
    proved_by: provedBy ?? null,
    digest,
    document: Buffer.from(document).toString(),
  };
}

/** A row of the table of events. */
export function eventRow(event: Omit<StoredEvent, 'id'>) {
  const { at, kind, trustDomain, actor, code, message, versionNumber, detail } = event;
  return {
    at: at.toISOString(),
    kind,
    trust_domain: trustDomain ?? null,
    actor,
    code: code ?? null,
    message,
    version_number: versionNumber ?? null,
    detail: detail === undefined ? null : JSON.stringify(detail),
  };
}

/** A row of the table of incidents. */
export function incidentRow(incident: StoredIncident) {
  const { at, lastAt, endedAt, count, kind, trustDomain, code, message, origin, actor, sequence } = incident;
  const { offered, offer } = incident;
  return {
    began_at: at.toISOString(),
    last_at: lastAt.toISOString(),
    ended_at: endedAt?.toISOString() ?? null,
    times: count,
    kind,
    trust_domain: trustDomain,
    code,
    message,
    origin,
    actor,
    sequence: sequence?.toString() ?? null,
    offered_document: offered ? Buffer.from(serializeBundle(offered)).toString() : null,
    offered_digest: offer?.digest ?? null,
    offered_since: offer?.since.toISOString() ?? null,
    offered_times: offer?.times ?? null,
  };
}

/** A row of the table of decisions about keys. */
export function keyDecisionRow(
  { at, trustDomain, keyFingerprint, until, actor, reason }: Omit<DistrustedKey, 'label'>,
  decision: KeyDecision['decision'],
  label: string,
) {
  return {
    at: at.toISOString(),
    trust_domain: trustDomain,
    key_fingerprint: keyFingerprint,
    word: decision,
    label,
    until: until?.toISOString() ?? null,
    actor,
    reason,
  };
}

/** A row of the table of decisions about offers. */
export function offerDecisionRow(offer: RejectedOffer, decision: 'rejected' | 'reconsidered') {
  const { at, trustDomain, digest, actor, reason } = offer;
  return { at: at.toISOString(), trust_domain: trustDomain, digest, word: decision, actor, reason };
}

/** A row of the table of catalogues. The content is in a table of its own, by digest. */
export function catalogueRow(version: Omit<CatalogueVersion, 'document'>) {
  const { at, trustDomain, direction, number, sequence, digest, verdict, reason } = version;
  return {
    at: at.toISOString(),
    trust_domain: trustDomain,
    direction,
    number,
    sequence: sequence ?? null,
    digest: digest ?? null,
    verdict,
    reason_code: reason?.code ?? null,
    message: reason?.message ?? null,
  };
}
