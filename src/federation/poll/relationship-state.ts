import { formatDurationMs } from '../../platform/index.ts';
import type { TrustBundle } from '../../spiffe/index.ts';
import type { Relationship, RelationshipState, StateReason } from '../../store/index.ts';
import type { Refreshed, RefreshOutcome } from './refresh-outcome.ts';

/** Where a relationship stands after a poll, and why. */
export interface StateAfter {
  readonly state: RelationshipState;
  readonly reason: StateReason | null;
}

/**
 * Gives the state that a poll leads to. Pure. `missing` is the reason why the endpoint can no
 * longer be verified. Then only the operator can help, whatever the result of the poll (FED-58). A
 * bundle without usable keys has a state of its own (TDB-05). A document without a usable entry
 * counts as a revocation. The relationship is `failing` all the same, because it is probably the
 * wrong document.
 */
export function stateAfter(
  outcome: Exclude<RefreshOutcome, { kind: 'called-off' }>,
  missing: string | undefined,
  held: TrustBundle | undefined,
  reported?: Pick<Refreshed, 'incident' | 'reason'>,
): StateAfter {
  if (missing !== undefined)
    return { state: 'needs-bootstrap', reason: { code: 'endpoint-bundle-missing', message: missing } };
  switch (outcome.kind) {
    case 'quarantined':
      return { state: 'quarantined', reason: { code: outcome.code, message: outcome.message } };
    case 'flapping':
      return { state: 'flapping', reason: { code: outcome.code, message: outcome.message } };
    case 'refused':
    case 'failed':
      return { state: 'failing', reason: { code: outcome.code, message: outcome.message } };
    case 'unchanged':
    case 'accepted':
      if (reported?.reason && reported.incident === 'bundle-unusable')
        return { state: 'failing', reason: reported.reason };
      if (reported?.reason) return { state: 'active', reason: reported.reason };
      return { state: 'active', reason: held ? withoutKeys(held) : null };
  }
}

/**
 * From when on a relationship is stale unless a poll succeeds before; undefined where it has no
 * limit (FED-57).
 */
export function staleFrom({
  staleAfterSeconds,
  lastSuccessAt,
  createdAt,
}: Pick<Relationship, 'staleAfterSeconds' | 'lastSuccessAt' | 'createdAt'>): Date | undefined {
  if (staleAfterSeconds === undefined) return undefined;
  const instant = (lastSuccessAt ?? createdAt).getTime() + staleAfterSeconds * 1000;
  // Beyond what a calendar holds is never.
  return Number.isNaN(new Date(instant).getTime()) ? undefined : new Date(instant);
}

/**
 * The state of a relationship that is older than its limit: no identity of the peer is accepted,
 * whatever else is wrong.
 */
export function staleState(relationship: Relationship, otherwise: StateAfter): StateAfter {
  const { trustDomain, lastSuccessAt, staleAfterSeconds = 0 } = relationship;
  const since = lastSuccessAt ? `since ${lastSuccessAt.toISOString()}` : 'yet';
  const limit = formatDurationMs(staleAfterSeconds * 1000);
  const why = otherwise.reason ? `; ${otherwise.reason.message} [${otherwise.reason.code}]` : '';
  return {
    state: 'stale',
    reason: {
      code: 'trust-stale',
      message: `no poll of ${trustDomain} has succeeded ${since}, and the limit is ${limit}: none of its identities is accepted until one does${why}`,
    },
  };
}

/**
 * The reason of an active relationship whose bundle accepts no identity; null where it has keys.
 */
function withoutKeys({ trustDomain, x509Authorities, jwtAuthorities }: TrustBundle): StateReason | null {
  if (x509Authorities.length > 0 || jwtAuthorities.length > 0) return null;
  return {
    code: 'no-usable-keys',
    message: `no key of ${trustDomain} counts: every identity of it is refused`,
  };
}
