import { stat } from 'node:fs/promises';
import type { Clock } from './clock.ts';

/**
 * Calls `onChange` whenever the content of one of `paths` may have changed (device, inode, size, time), looking
 * every `everyMs`. Looking, not listening: it also sees files that appear, are swapped by a symbolic link as
 * Kubernetes does, or live on a network mount. Ends when the signal aborts.
 */
export async function watchFiles(options: {
  readonly paths: readonly string[];
  readonly everyMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onChange: () => void | Promise<void>;
}): Promise<void> {
  let before = await marks(options.paths);
  while (!options.signal.aborted) {
    try {
      await options.clock.sleep(options.everyMs, options.signal);
    } catch {
      return;
    }
    const after = await marks(options.paths);
    if (after === before) continue;
    before = after;
    await options.onChange();
  }
}

async function marks(paths: readonly string[]): Promise<string> {
  const each = paths.map(async (path) => {
    try {
      const { dev, ino, size, mtimeMs } = await stat(path);
      return `${dev}:${ino}:${size}:${mtimeMs}`;
    } catch {
      return 'absent';
    }
  });
  return (await Promise.all(each)).join('|');
}
