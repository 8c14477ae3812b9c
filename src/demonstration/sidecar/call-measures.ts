import type { Metrics } from '../../platform/index.ts';
import type { CallMeasures, UpstreamCaller } from './upstream/upstream-caller.ts';

/** Makes the numbers about calls of upstreams. */
export function createCallMeasures(metrics: Metrics, callers: () => readonly UpstreamCaller[]): CallMeasures {
  const ejected = metrics.gauge(
    'federate_sidecar_endpoints_ejected',
    'endpoints that are left out now because they failed',
    ['upstream'],
  );
  metrics.beforeRender(() => {
    ejected.reset();
    for (const caller of callers()) ejected.inc({ upstream: caller.name }, caller.ejected);
  });
  return {
    retries: metrics.counter('federate_sidecar_retries_total', 'retries, and those over the budget', [
      'upstream',
      'outcome',
    ]),
    ejections: metrics.counter(
      'federate_sidecar_ejections_total',
      'endpoints that were left out for a time',
      ['upstream'],
    ),
  };
}
