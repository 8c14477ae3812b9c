import type { Clock, Random } from '../../platform/index.ts';
import { backoffMs } from './backoff.ts';
import { MeshAdapterError } from './errors.ts';

/** Tries to write while others write too. */
const MAX_TRIES = 6;

/**
 * Reads and writes once more where another writer was faster (`mesh-conflict`), six times at most.
 * `work` learns whether it is the last try. Throws what `work` throws.
 */
export async function retryConflicts<Value>(
  work: (isLastTry: boolean) => Promise<Value>,
  options: { readonly clock: Clock; readonly random: Random; readonly signal: AbortSignal },
): Promise<Value> {
  const { clock, random, signal } = options;
  for (let tries = 1; ; tries += 1) {
    try {
      return await work(tries === MAX_TRIES);
    } catch (error) {
      const conflict = error instanceof MeshAdapterError && error.code === 'mesh-conflict';
      if (!conflict || tries === MAX_TRIES) throw error;
      await clock.sleep(backoffMs(1, random) / 8, signal);
    }
  }
}
