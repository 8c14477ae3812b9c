import { type Clock, type LoadSource, type Log, overloadSentence, pause } from '../platform/index.ts';

const EVERY_S = 5;

/**
 * Logs every five seconds that a process still starts, which part it waits for, and whether the
 * machine is overloaded. Resolves when the signal is aborted, and never rejects.
 */
export async function reportSlowStart(start: {
  readonly busyWith: () => string | undefined;
  readonly clock: Clock;
  readonly load: LoadSource;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { clock, load, log, signal } = start;
  for (let seconds = EVERY_S; await pause(clock, EVERY_S * 1000, signal); seconds += EVERY_S) {
    const { load: average, cores } = load();
    const overload = overloadSentence({ load: average, cores });
    const fields = { seconds, busy_with: start.busyWith() ?? 'building its parts', load: average, cores };
    if (overload === undefined) log.info('process still starting', fields);
    else log.warn('process still starting', { ...fields, why: overload });
  }
}
