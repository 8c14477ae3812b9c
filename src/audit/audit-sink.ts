import type { CloudEvent } from './cloud-event.ts';

/** Where events go. */
export interface AuditSink {
  /** How many events one call takes at most. */
  readonly batch: number;
  /**
   * Resolves when every one of the events is there. Rejects where one may not be; then all of them
   * come again.
   */
  deliver(events: readonly CloudEvent[], signal: AbortSignal): Promise<void>;
}
