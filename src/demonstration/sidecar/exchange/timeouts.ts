import type { Clock } from '../../../platform/index.ts';
import { SidecarError } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import { IdleTimer } from './idle-timer.ts';

/** The limits of time for one request, in milliseconds. */
export interface Timeouts {
  /** Until there is a connection; with a sidecar, TLS handshake included. */
  readonly connectMs: number;
  /** The longest silence between two parts of a request or its answer. */
  readonly idleMs: number;
  /** Until the last byte of the answer, retries included; undefined: no such limit. */
  readonly requestMs: number | undefined;
}

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 5000, idleMs: 300_000, requestMs: undefined };

/**
 * A signal that aborts when the whole exchange takes too long (`SidecarError` `request-timeout`), or
 * the caller goes away. `stop` at the end of the exchange.
 */
export function deadlineOf(
  exchange: Exchange,
  clock: Clock,
  { requestMs }: Timeouts,
): { readonly signal: AbortSignal; readonly stop: () => void } {
  const over = new AbortController();
  const unfollow = exchange.onClose(() => over.abort(new SidecarError('peer-broke', 'the caller went away')));
  const timer =
    requestMs === undefined
      ? undefined
      : new IdleTimer(clock, requestMs, () =>
          over.abort(
            new SidecarError(
              'request-timeout',
              `the answer was not there within ${requestMs / 1000} seconds`,
            ),
          ),
        );
  return {
    signal: over.signal,
    stop: () => {
      timer?.stop();
      unfollow();
    },
  };
}
