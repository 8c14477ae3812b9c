import type { Clock } from '../platform/index.ts';

/** One for all: an error of its own for each deadline that was kept would cost more than the deadline. */
const OVER = new Error('the work ended before its deadline');

/**
 * Runs `work` with a signal that aborts when `ms` milliseconds are over or the outer signal aborts. Rejects with the
 * outer signal's reason, with `late()` when time ran out, else with whatever `work` rejects with. `work` must end when
 * its signal aborts: it owns the sockets that have to be closed.
 */
export async function withDeadline<Result>(
  limit: {
    readonly ms: number;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly late: () => Error;
  },
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  limit.signal.throwIfAborted();
  const inner = new AbortController();
  const timer = new AbortController();
  const onOuter = () => inner.abort(limit.signal.reason);
  limit.signal.addEventListener('abort', onOuter, { once: true });
  const watch = limit.clock.sleep(limit.ms, timer.signal).then(
    () => inner.abort(limit.late()),
    () => {}, // the work ended first
  );
  try {
    const result = await work(inner.signal);
    inner.signal.throwIfAborted();
    return result;
  } catch (error) {
    // Whatever an aborted socket or parser says about it, the reason of the abort is the reason.
    throw inner.signal.aborted ? inner.signal.reason : error;
  } finally {
    limit.signal.removeEventListener('abort', onOuter);
    timer.abort(OVER);
    await watch;
  }
}
