import type { OwnTrust } from './mesh-adapter.ts';
import type { OwnTrustReading } from './own-trust-reading.ts';
import { poll } from './poll.ts';

/** How the own trust is read from a place without a watch. */
export interface OwnTrustPolling extends OwnTrustReading {
  readonly pollMs: number;
}

/**
 * Reports the result of `fetch` now and every `pollMs` until the signal aborts. A failed read
 * changes nothing.
 */
export async function pollOwnTrust(
  fetch: (signal: AbortSignal) => Promise<OwnTrust>,
  { pollMs, state, report, ...rest }: OwnTrustPolling,
): Promise<void> {
  await poll({
    look: async (abort) => {
      report(await fetch(abort));
      state.contact('roots');
    },
    everyMs: pollMs,
    onTrouble: (error) => state.trouble('roots', error),
    ...rest,
  });
}
