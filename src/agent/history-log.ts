import { defined } from '../objects/index.ts';
import type { Log, LogFields } from '../platform/index.ts';
import type { EventKind, RecordedEvent } from '../store/index.ts';

/** Kinds that record an error, or a smaller trust in a peer. */
const WARNINGS: ReadonlySet<EventKind> = new Set([
  'bundle-refused',
  'bundle-quarantined',
  'endpoint-unreachable',
  'trust-stale',
  'peer-dropped-us',
  'equivocation',
  'history-doctored',
  'invitation-refused',
  'rotation-risk',
  'mesh-refused',
  'service-refused',
  'catalogue-refused',
  'catalogue-quarantined',
  'catalogue-flapping',
  'catalogue-stale',
]);

/** Writes each event of the history as a log line, with the same names of fields for every kind. */
export function createHistoryLog(log: Log): (events: readonly RecordedEvent[]) => void {
  return (events) => {
    for (const event of events) {
      const fields = fieldsOf(event);
      if (WARNINGS.has(event.kind)) log.warn('history', fields);
      else log.info('history', fields);
    }
  };
}

function fieldsOf({
  at,
  kind,
  trustDomain,
  actor,
  code,
  message,
  versionNumber,
  detail,
}: RecordedEvent): LogFields {
  return {
    event: kind,
    at: at.toISOString(),
    trust_domain: trustDomain ?? null,
    actor,
    code: code ?? null,
    reason: message,
    version: versionNumber ?? null,
    ...defined({ detail }),
  };
}
