import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { socketFileIsGone } from './unix-socket.ts';

/** How often the file is looked for. */
const LOOK_MS = 5000;

/**
 * Until the signal aborts: opens a socket again when its file was taken away, for instance by a
 * program that tidies temporary folders. No client could come in any more, and nothing would show
 * it. A file that another program put at the path is left alone.
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
      log.warn('the file of a socket was taken away; it is there again', { path });
    } catch (error) {
      log.error('the file of a socket was taken away, and could not be made again', {
        path,
        error,
      });
    }
  }
}
