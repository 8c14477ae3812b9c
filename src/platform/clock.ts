import { performance } from 'node:perf_hooks';

/**
 * Time as the rooms see it: the wall clock for validity, a monotonic one for durations, and
 * waiting.
 */
export interface Clock {
  /** The wall-clock instant, for certificate validity and records. */
  now(): Date;
  /**
   * Milliseconds from an arbitrary origin that never run backwards, for durations and deadlines.
   */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest wait of one Node timer. A longer one would fire at once, so it is split. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = clockWith({ keepsAlive: true });

/**
 * The system clock for a library: a process that has nothing else to do ends although something
 * waits.
 */
export const backgroundClock: Clock = clockWith({ keepsAlive: false });

function clockWith({ keepsAlive }: { readonly keepsAlive: boolean }): Clock {
  return {
    now: () => new Date(),
    monotonicMs: () => performance.now(),
    async sleep(ms, signal) {
      const end = performance.now() + ms;
      do {
        const left = end - performance.now();
        await oneTimer(Math.max(0, Math.min(left, LONGEST_TIMER_MS)), signal, keepsAlive);
      } while (performance.now() < end);
    },
  };
}

/**
 * Replaces `node:timers/promises`, because that creates an error with a stack each time it is
 * aborted.
 */
function oneTimer(ms: number, signal: AbortSignal | undefined, keepsAlive: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    if (!keepsAlive) timer.unref();
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
