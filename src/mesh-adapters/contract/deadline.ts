import { type Clock, pause } from '../../platform/index.ts';
import { MeshAdapterError } from './errors.ts';

/**
 * Runs `work` under a signal that ends it after `ms`. Throws `MeshAdapterError` `mesh-unreachable`
 * when the time is over, the outer signal's reason when that aborts, else what `work` throws.
 */
export async function withDeadline<Value>(
  options: {
    readonly ms: number;
    readonly what: string;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const { ms, what, clock, signal } = options;
  const over = new AbortController();
  const done = new AbortController();
  const timer = pause(clock, ms, AbortSignal.any([done.signal, signal])).then((isLate) => {
    if (isLate) over.abort(new MeshAdapterError('mesh-unreachable', `${what} took longer than ${ms} ms`));
  });
  const both = AbortSignal.any([signal, over.signal]);
  try {
    return await work(both);
  } catch (error) {
    if (both.aborted) throw both.reason;
    throw error;
  } finally {
    done.abort();
    await timer;
  }
}
