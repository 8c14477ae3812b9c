import {
  type Clock,
  type LoadSource,
  overloadSentence,
  slowdownOf,
  systemLoad,
} from '../../platform/index.ts';
import { DemoError } from './child-process.ts';

/** What a wait needs: time, the load of the machine, and a place for progress. */
export interface Waits {
  readonly clock: Clock;
  readonly load: LoadSource;
  /** Takes a sentence for people, each time a wait has lasted long. */
  report(text: string): void;
}

/** Waits that report nothing, for programs that only want the meshes. */
export function silentWaits(clock: Clock): Waits {
  return { clock, load: systemLoad, report: () => {} };
}

/** A wait fails after this long on a machine with idle cores. */
const PATIENCE_MS = 60_000;
/** An overloaded machine gets so many times more, at most. */
const MOST_PATIENCE = 10;
const REPORT_EVERY_MS = 5000;

/**
 * Calls `look` until it returns a value, and returns that value with the milliseconds it took.
 * Reports every five seconds what it waits for, and whether the machine is overloaded. Throws
 * `DemoError` `demo-timeout` after a minute, or later on an overloaded machine, with the last
 * reason.
 */
export async function until<Found>(
  waits: Waits,
  what: string,
  look: () => Promise<Found | undefined>,
  options: { readonly everyMs?: number } = {},
): Promise<{ readonly found: Found; readonly ms: number }> {
  const { clock } = waits;
  const { everyMs = 25 } = options;
  const start = clock.monotonicMs();
  let reportAt = REPORT_EVERY_MS;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return { found, ms: Math.round(clock.monotonicMs() - start) };
    } catch (error) {
      if (error instanceof DemoError && error.code === 'demo-process-ended') throw error;
      last = error;
    }
    const waited = clock.monotonicMs() - start;
    const now = waits.load();
    const seconds = Math.round(waited / 1000);
    const because = overloadSentence(now);
    const reason = because === undefined ? '' : `; ${because}`;
    if (waited > PATIENCE_MS * Math.min(MOST_PATIENCE, slowdownOf(now)))
      throw new DemoError('demo-timeout', `waited ${seconds} s without success until ${what}${reason}`, {
        cause: last,
      });
    if (waited >= reportAt) {
      reportAt = waited + REPORT_EVERY_MS;
      waits.report(`after ${seconds} s still waiting until ${what}${reason}`);
    }
    await clock.sleep(everyMs);
  }
}

/**
 * Throws `DemoError` `demo-check-failed` unless `condition` holds; `what` names the expectation.
 */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new DemoError('demo-check-failed', `a check failed: ${what}`);
}
