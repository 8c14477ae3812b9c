import type { WarningDocument } from '../admin/index.ts';
import { staleFrom, type TheirSide } from '../federation/index.ts';
import type { ForeignTrustReport } from '../mesh-adapters/index.ts';
import { formatDurationMs } from '../platform/index.ts';
import type { TrustBundle } from '../spiffe/index.ts';
import type { DistrustedKey, Relationship } from '../store/index.ts';
import { endOfRoots, whenText } from './root-ends.ts';

/** One peer, as far as it may need a hand. */
export interface PeerFacts {
  readonly relationship: Relationship;
  readonly held: TrustBundle | undefined;
  /** The held bundle without distrusted keys. */
  readonly undistrusted: TrustBundle | undefined;
  readonly distrusted: readonly DistrustedKey[];
  readonly theirSide: TheirSide | undefined;
  /** The mesh's last report on it. */
  readonly inMesh: ForeignTrustReport | undefined;
  /** How long it can take from one good poll to the next. */
  readonly pollIntervalMs: number;
}

type Finding = Omit<WarningDocument, 'trust_domain' | 'since'> & { readonly since: Date };

/** Lists the warnings about one peer. Pure. */
export function peerWarnings(facts: PeerFacts, now: Date): readonly WarningDocument[] {
  const { trustDomain } = facts.relationship;
  const findings = [
    ...ofState(facts.relationship),
    ...ofAge(facts),
    ...ofKeys(facts, now),
    ...ofMesh(facts),
    ...ofTheirSide(facts),
  ];
  return findings.map(({ since, ...finding }) => ({
    trust_domain: trustDomain,
    ...finding,
    since: since.toISOString(),
  }));
}

/**
 * States in which no identity of the peer is accepted, or its endpoint cannot be polled. Waiting
 * offers have a source of their own.
 */
function ofState(relationship: Relationship): Finding[] {
  const { trustDomain, state, stateReason, lastSuccessAt, createdAt } = relationship;
  const message = stateReason?.message ?? `the relationship with ${trustDomain} is ${state}`;
  if (state === 'stale')
    return [{ code: 'trust-stale', message, since: staleFrom(relationship) ?? lastSuccessAt ?? createdAt }];
  const since = lastSuccessAt ?? createdAt;
  if (state === 'needs-bootstrap') return [{ code: 'needs-bootstrap', message, since }];
  const odd = state === 'quarantined' ? undefined : ODD_DOCUMENTS.find((code) => code === stateReason?.code);
  return odd === undefined ? [] : [{ code: odd, message, since }];
}

/** Reasons for which a document that could be read still needs a hand. */
const ODD_DOCUMENTS = ['no-spiffe-keys', 'no-usable-entries', 'sequence-jumped'] as const;

function ofAge({ relationship, pollIntervalMs }: PeerFacts): Finding[] {
  const { trustDomain, staleAfterSeconds, createdAt } = relationship;
  if (staleAfterSeconds === undefined || staleAfterSeconds * 1000 > pollIntervalMs) return [];
  const [limit, interval] = [
    formatDurationMs(staleAfterSeconds * 1000),
    formatDurationMs(Math.round(pollIntervalMs)),
  ];
  return [
    {
      code: 'stale-after-short',
      message: `the trust in ${trustDomain} ends ${limit} after each good poll, but it is polled every ${interval}: in between none of its identities is accepted`,
      since: createdAt,
    },
  ];
}

function ofKeys({ relationship, held, undistrusted, distrusted }: PeerFacts, now: Date): Finding[] {
  const { trustDomain, lastSuccessAt, createdAt } = relationship;
  if (!held || !undistrusted) return [];
  if (held.x509Authorities.length + held.jwtAuthorities.length === 0) {
    // An unusable document is not a revocation, and is reported as what it is.
    if (ODD_DOCUMENTS.some((code) => code === relationship.stateReason?.code)) return [];
    const message = `the held bundle of ${trustDomain} has no key: every identity of it is refused`;
    return [{ code: 'no-usable-keys', message, since: lastSuccessAt ?? createdAt }];
  }
  if (held.x509Authorities.length > 0 && undistrusted.x509Authorities.length === 0) {
    const newest = distrusted.reduce((last, each) => (each.at > last.at ? each : last));
    const message = `every root of ${trustDomain} is distrusted here: every X509-SVID of it is refused`;
    return [{ code: 'peer-keys-distrusted', message, since: newest.at }];
  }
  const end = endOfRoots(undistrusted.x509Authorities, now);
  if (!end) return [];
  if (end.ended) {
    const message = `every root of ${trustDomain} has ended, the last one (${end.label}) at ${end.at.toISOString()}: every X509-SVID of it is refused`;
    return [{ code: 'peer-roots-ended', message, since: end.since }];
  }
  const message = `the last root of ${trustDomain} (${end.label}) ends ${whenText(end, now)}, and its bundle has no root after it`;
  return [{ code: 'peer-roots-end', message, since: end.since }];
}

/**
 * A mesh that does not take what counts; what it still has of a peer that does not count is another
 * warning.
 */
function ofMesh({ relationship, inMesh }: PeerFacts): Finding[] {
  if (inMesh?.state !== 'refused' && inMesh?.state !== 'failed') return [];
  const { message = `it is ${inMesh.state}`, code, at } = inMesh;
  const why = code === undefined ? message : `${message} [${code}]`;
  return [
    {
      code: 'mesh-refused',
      message: `the mesh does not take the trust in ${relationship.trustDomain}: ${why}`,
      since: at,
    },
  ];
}

function ofTheirSide({ relationship, theirSide }: PeerFacts): Finding[] {
  if (theirSide?.state !== 'ended') return [];
  const message = `${relationship.trustDomain} seems to have ended its relationship with us: our workloads are refused there`;
  return [{ code: 'peer-dropped-us', message, since: theirSide.since }];
}
