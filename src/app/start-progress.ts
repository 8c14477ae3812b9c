import { type Clock, type LoadSource, type Log, overloadSentence } from '../platform/index.ts';

const REPORT_EVERY_MS = 5000;

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
  for (let seconds = REPORT_EVERY_MS / 1000; ; seconds += REPORT_EVERY_MS / 1000) {
    try {
      await clock.sleep(REPORT_EVERY_MS, signal);
    } catch {
      return;
    }
    const { load: average, cores } = load();
    const overload = overloadSentence({ load: average, cores });
    const fields = { seconds, busy_with: start.busyWith() ?? 'building its parts', load: average, cores };
    if (overload === undefined) log.info('process still starting', fields);
    else log.warn('process still starting', { ...fields, why: overload });
  }
}
