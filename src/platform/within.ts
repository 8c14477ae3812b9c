import type { Clock } from './clock.ts';
import { pause } from './pause.ts';

/**
 * The result of `work`, or undefined where it takes longer than `ms` milliseconds or the signal
 * aborts first. The work gets a signal that aborts in both cases, and also after it has ended.
 * Rejects with what the work rejects with in time.
 */
export async function within<Value>(
  clock: Pick<Clock, 'sleep'>,
  ms: number,
  work: (over: AbortSignal) => Promise<Value>,
  signal?: AbortSignal,
): Promise<Value | undefined> {
  const ended = new AbortController();
  const over = signal ? AbortSignal.any([ended.signal, signal]) : ended.signal;
  try {
    return await Promise.race([work(over), pause(clock, ms, over).then(() => undefined)]);
  } finally {
    ended.abort();
  }
}
