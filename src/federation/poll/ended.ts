import { type Clock, within } from '../../platform/index.ts';

/** How long a stop or a removal waits for polls that were called off. */
const STOP_MS = 5000;

/**
 * Waits until work that was asked to stop has ended, for `STOP_MS` at most. A file system or a name
 * server that never answers must not block the stop. Work that ends later finds its signal aborted,
 * and changes nothing.
 */
export async function ended(clock: Clock, stopped: Promise<void>): Promise<void> {
  await within(clock, STOP_MS, () => stopped);
}
