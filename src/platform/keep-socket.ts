import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { pause } from './pause.ts';
import { socketFileIsGone } from './unix-socket.ts';

/** How often the file is checked. */
const LOOK_MS = 5000;

/**
 * Opens a socket again when its file was removed, until the signal aborts. A program that tidies
 * temporary folders may remove it, and then no client could connect and no error would appear. A
 * file that another program put at the path is left alone.
 */
export async function keepSocket(options: {
  readonly path: string;
  readonly reopen: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { path, reopen, clock, log, signal } = options;
  while (await pause(clock, LOOK_MS, signal)) {
    if (!(await socketFileIsGone(path))) continue;
    try {
      await reopen();
      log.warn('the file of a socket was removed; it was created again', { path });
    } catch (error) {
      log.error('the file of a socket was removed, and cannot be created again', {
        path,
        error,
      });
    }
  }
}
