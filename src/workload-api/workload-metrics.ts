import type { Metrics } from '../platform/index.ts';
import type { SdsEvent } from './sds-stream.ts';

/** Counts the messages to proxies and their answers. */
export function createSdsObserver(metrics: Metrics): (event: SdsEvent) => void {
  const responses = metrics.counter(
    'federate_sds_responses_total',
    'Responses to proxies over SDS: sent, acknowledged (ACK), refused (NACK)',
    ['outcome'],
  );
  for (const outcome of ['sent', 'acknowledged', 'refused'] satisfies SdsEvent[])
    responses.inc({ outcome }, 0);
  return (event) => responses.inc({ outcome: event });
}
