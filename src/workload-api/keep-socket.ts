import { type Clock, type Log, socketFileIsGone } from '../platform/index.ts';

/** How often the file is looked for. */
const LOOK_MS = 5000;

/**
 * Until the signal aborts: opens a socket again when its file was taken away, by who tidies temporary folders for instance. Nobody
 * could come in any more, and nothing would tell. What somebody else has put at the path is left alone.
 */
export async function keepSocket(options: {
  readonly path: string;
  readonly reopen: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { path, reopen, clock, log, signal } = options;
  for (;;) {
    try {
      await clock.sleep(LOOK_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (!(await socketFileIsGone(path))) continue;
    try {
      await reopen();
      log.warn('the file of the workload socket was taken away by somebody; it is there again', { path });
    } catch (error) {
      log.error('the file of the workload socket was taken away, and could not be made again', {
        path,
        error,
      });
    }
  }
}
