import type { Clock } from '../platform/index.ts';
import { DemoError } from './child-process.ts';

/**
 * Asks again and again until `look` gives something, and returns it with the milliseconds it took. Throws `DemoError`
 * `demo-timeout` after `timeoutMs`, with what was waited for and the last reason it did not come.
 */
export async function until<Found>(
  clock: Clock,
  what: string,
  look: () => Promise<Found | undefined>,
  options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<{ readonly found: Found; readonly ms: number }> {
  const { timeoutMs = 30_000, everyMs = 25 } = options;
  const start = clock.monotonicMs();
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return { found, ms: Math.round(clock.monotonicMs() - start) };
    } catch (error) {
      if (error instanceof DemoError && error.code === 'demo-process-ended') throw error;
      last = error;
    }
    if (clock.monotonicMs() - start > timeoutMs) {
      throw new DemoError('demo-timeout', `waited ${Math.round(timeoutMs / 1000)} s in vain: ${what}`, {
        cause: last,
      });
    }
    await clock.sleep(everyMs);
  }
}

/** Throws `DemoError` `demo-check-failed` unless `condition` holds; `what` says what should have been. */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new DemoError('demo-check-failed', `a check failed: ${what}`);
}
