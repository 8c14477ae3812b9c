import type { IncidentKind } from '../../store/index.ts';
import type { PollIncident, RefreshOutcome } from './refresh-outcome.ts';

const POLL_INCIDENTS: readonly PollIncident[] = [
  'endpoint-unreachable',
  'bundle-refused',
  'bundle-quarantined',
  'peer-flapping',
  'bundle-unusable',
  'sequence-jumped',
];

/**
 * What a poll puts an end to: an unreachable endpoint proves nothing about its offers; an offer
 * proves that it is reachable.
 */
export function endedBy(incident: PollIncident | undefined, good: boolean): readonly IncidentKind[] {
  if (incident === 'endpoint-unreachable') return [];
  const over = POLL_INCIDENTS.filter((kind) => kind !== incident);
  return good ? [...over, 'trust-stale'] : over;
}

/** Whether a poll found out what the peer trusts now. */
export function isGood({ kind }: RefreshOutcome): boolean {
  return kind === 'unchanged' || kind === 'accepted';
}
