import { stat } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import { pause } from './pause.ts';

/**
 * A change can leave all attributes of a file unchanged, so its content is checked this often in
 * any case.
 */
const ANYWAY_MS = 60_000;

/**
 * Calls `look` once, and again whenever the content of one of `paths` may have changed (device,
 * inode, size, time). It reads the attributes before each look, so a change during a look leads to
 * another one. It compares every `everyMs` instead of listening. So it also sees files that appear,
 * files that a symbolic link replaces as in Kubernetes, and files on a network mount. Once a minute
 * it looks without a sign of a change. Ends when the signal aborts; rejects with what `look`
 * throws.
 */
export async function watchFiles(options: {
  readonly paths: readonly string[];
  readonly everyMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Reads the files, and does nothing where their content is unchanged. */
  readonly look: () => void | Promise<void>;
}): Promise<void> {
  const { paths, everyMs, clock, signal, look } = options;
  let before: string | undefined;
  let lookedMs = 0;
  while (!signal.aborted) {
    const now = await fileMarks(paths);
    if (now !== before || clock.monotonicMs() - lookedMs >= ANYWAY_MS) {
      before = now;
      lookedMs = clock.monotonicMs();
      await look();
    }
    if (!(await pause(clock, everyMs, signal))) return;
  }
}

/**
 * What changes when one of these files is written or replaced: device, inode, size and time of
 * each.
 */
export async function fileMarks(paths: readonly string[]): Promise<string> {
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
