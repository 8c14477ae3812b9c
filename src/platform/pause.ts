import type { Clock } from './clock.ts';

/**
 * Waits `ms` milliseconds. Resolves with false as soon as the signal aborts, so that a loop ends
 * without an exception: `while (await pause(clock, EVERY_MS, signal)) …`.
 */
export async function pause(clock: Pick<Clock, 'sleep'>, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
