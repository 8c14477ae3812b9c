import type { Clock, Metrics } from '../../platform/index.ts';
import type { Relationship } from '../../store/index.ts';
import type { PollObserver } from './peer-poller.ts';

/**
 * The metrics of polling: polls by outcome and how long they took. Per trust domain
 * they have the state and the age of the last good bundle, for alarms (FED-57).
 */
export function createPollMetrics(
  metrics: Metrics,
  clock: Clock,
  relationships: () => Iterable<Relationship>,
): { readonly observe: PollObserver } {
  const polls = metrics.counter('federate_poll_total', 'Polls of bundle endpoints by outcome', ['outcome']);
  const durations = metrics.histogram(
    'federate_poll_duration_seconds',
    'How long a poll took, the wait for a free slot included',
    [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  );
  const ages = metrics.gauge(
    'federate_bundle_age_seconds',
    'Seconds since the bundle of a trust domain was last confirmed by its endpoint',
    ['trust_domain'],
  );
  const failures = metrics.gauge(
    'federate_relationship_failures',
    'Polls of a trust domain that failed since the last good one',
    ['trust_domain'],
  );
  const states = metrics.gauge('federate_relationships', 'Relationships by state', ['state']);
  // An age is only right at the moment it is asked for.
  metrics.beforeRender(() => {
    ages.reset();
    failures.reset();
    states.reset();
    for (const { trustDomain, lastSuccessAt, createdAt, consecutiveFailures, state } of relationships()) {
      const since = lastSuccessAt ?? createdAt;
      ages.set({ trust_domain: trustDomain }, (clock.now().getTime() - since.getTime()) / 1000);
      failures.set({ trust_domain: trustDomain }, consecutiveFailures);
      states.inc({ state });
    }
  });
  return {
    observe: ({ outcome }, durationMs) => {
      polls.inc({ outcome: outcome.kind });
      durations.observe(durationMs / 1000);
    },
  };
}
