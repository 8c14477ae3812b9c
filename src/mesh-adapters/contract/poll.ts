import { type Clock, pause, type Random } from '../../platform/index.ts';
import { backoffMs } from './backoff.ts';

/**
 * Runs `look` now and every `everyMs` until the signal aborts. After a failure it reports the
 * trouble and tries again after a pause that grows to half a minute.
 */
export async function poll(options: {
  readonly look: (signal: AbortSignal) => Promise<void>;
  readonly everyMs: number;
  readonly onTrouble: (error: unknown) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { look, everyMs, onTrouble, clock, random, signal } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      await look(signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      onTrouble(error);
    }
    if (!(await pause(clock, failures === 0 ? everyMs : backoffMs(failures, random), signal))) return;
  }
}
