import type { Clock, Random } from '../../platform/index.ts';
import type { AdapterState } from './adapter-state.ts';
import type { OwnTrust } from './mesh-adapter.ts';
import { poll } from './poll.ts';

/** How the own trust is read from a place without a watch. */
export interface OwnTrustPolling {
  readonly pollMs: number;
  readonly state: AdapterState;
  readonly report: (own: OwnTrust) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/**
 * Reports the result of `fetch` now and every `pollMs` until the signal aborts. A failed read
 * changes nothing.
 */
export async function pollOwnTrust(
  fetch: (signal: AbortSignal) => Promise<OwnTrust>,
  { pollMs, state, report, clock, random, signal }: OwnTrustPolling,
): Promise<void> {
  await poll({
    look: async (abort) => {
      report(await fetch(abort));
      state.contact('roots');
    },
    everyMs: pollMs,
    onTrouble: (error) => state.trouble('roots', error),
    clock,
    random,
    signal,
  });
}
