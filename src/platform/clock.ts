import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** Time as the rooms see it: the wall clock for validity, a monotonic one for durations, and waiting. */
export interface Clock {
  /** The wall-clock instant, for certificate validity and records. */
  now(): Date;
  /** Milliseconds from an arbitrary origin that never run backwards, for durations and deadlines. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest wait one Node timer can hold; longer ones fire at once, so they are cut into pieces. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    const end = performance.now() + ms;
    for (;;) {
      const left = end - performance.now();
      if (left <= 0 && ms > 0) return;
      await delay(Math.max(0, Math.min(left, LONGEST_TIMER_MS)), undefined, signal ? { signal } : {});
      if (ms <= 0) return;
    }
  },
};
