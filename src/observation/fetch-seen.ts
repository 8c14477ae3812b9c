import type { Relationship } from '../store/index.ts';
import {
  type AddressGuard,
  FetchError,
  type FetchLimits,
  FetchTimer,
  type HostLookup,
  httpGet,
  openEndpoint,
  type OutgoingProxy,
} from '../federation/index.ts';
import type { PeerVerifier } from '../mtls/index.ts';
import type { Clock } from '../platform/index.ts';
import { MAX_SEEN_CHARACTERS, SEEN_PATH } from './seen-claims.ts';

/** What asking a peer's agent takes. */
export interface AskParts {
  readonly verifier: PeerVerifier;
  readonly lookup: HostLookup;
  readonly guard?: AddressGuard | undefined;
  /** Through which endpoints are reached; undefined: directly. */
  readonly proxy?: OutgoingProxy | undefined;
  readonly fetchLimits: FetchLimits;
  readonly clock: Clock;
}

/**
 * Asks a peer's agent what it saw, at its bundle endpoint. The request is authenticated and bounded
 * like a poll, and `holding` identifies us. Gives the signed statement, which the caller still has
 * to verify. Throws `FetchError`; `status-refused` from an endpoint that does not know this path.
 */
export async function fetchSeen(
  { verifier, lookup, guard, proxy, fetchLimits, clock }: AskParts,
  { endpointUrl, profile, webPkiCaPem }: Relationship,
  holding: string,
  signal: AbortSignal,
): Promise<string> {
  const url = new URL(SEEN_PATH, endpointUrl);
  const limits = { ...fetchLimits, maxBodyBytes: MAX_SEEN_CHARACTERS };
  const late = () =>
    new FetchError('total-timeout', `${url.host} did not answer within ${limits.totalMs} ms`);
  const timer = new FetchTimer(clock, signal);
  try {
    return await timer.within(limits.totalMs, late, async () => {
      const { socket } = await openEndpoint({
        url,
        redirectedFrom: undefined,
        trust: { profile, verifier, webPkiCaPem },
        lookup,
        guard,
        proxy,
        limits,
        timer,
      });
      const answer = await httpGet({ socket, url, waitSeconds: 0, holding, limits, timer });
      if (answer.kind === 'document') return Buffer.from(answer.body).toString('latin1');
      throw new FetchError('status-refused', `${url.host} did not say what it saw`);
    });
  } finally {
    timer.close();
  }
}
