import { type Clock, pause, type Random } from '../../platform/index.ts';
import { backoffMs } from '../contract/backoff.ts';
import type { ConsulClient } from './consul-client.ts';

const WAIT_SECONDS = 300;

/**
 * Reports the answer to `path` now and after each change, by blocking queries, until the signal
 * aborts. An error that `take` throws counts as an error of the query: it is reported, a growing
 * pause follows, and the next query starts from the beginning. See docs/meshes/consul.md.
 */
export async function followBlockingQuery(options: {
  readonly client: ConsulClient;
  readonly path: string;
  readonly take: (value: unknown) => void;
  readonly onTrouble: (error: unknown) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { client, path, take, onTrouble, clock, random, signal } = options;
  let index = 0;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const query: Record<string, string> =
        index > 0 ? { index: String(index), wait: `${WAIT_SECONDS}s` } : {};
      const askedMs = clock.monotonicMs();
      const { value, headers } = await client.send('GET', path, {
        query,
        // The product adds up to a sixteenth to the wait.
        waitMs: index > 0 ? WAIT_SECONDS * 1000 * (17 / 16) : 0,
        signal,
      });
      take(value);
      const newIndex = indexOf(headers['x-consul-index']);
      // The index did not move and the query did not wait: a proxy on the way does not support
      // blocking queries.
      const hurried = newIndex === 0 || (newIndex === index && clock.monotonicMs() - askedMs < 1000);
      failures = hurried ? failures + 1 : 0;
      // Backwards means that the cluster was restored: begin again from what it has now.
      index = newIndex < index ? 0 : newIndex;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      index = 0;
      onTrouble(error);
    }
    if (failures > 0 && !(await pause(clock, backoffMs(failures, random), signal))) return;
  }
}

function indexOf(header: string | string[] | undefined): number {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : 0;
}
