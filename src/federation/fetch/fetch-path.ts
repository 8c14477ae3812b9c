import { type EndpointTrust, openEndpoint } from './endpoint-tls.ts';
import { FetchError } from './errors.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { FetchTimer } from './fetch-timer.ts';
import { httpGet } from './http-get.ts';
import type { Reach } from './reach.ts';

/**
 * Fetches what a peer's endpoint has at another path than its bundle, authenticated and bounded
 * like a poll. `holding` identifies us. Follows no redirect. Throws `FetchError`; `status-refused`
 * from an endpoint that does not know this path.
 */
export async function fetchPath(
  { lookup, guard, proxy, clock }: Pick<Reach, 'lookup' | 'guard' | 'proxy' | 'clock'>,
  request: {
    readonly url: URL;
    readonly trust: EndpointTrust;
    readonly holding: string;
    readonly limits: FetchLimits;
    readonly signal: AbortSignal;
  },
): Promise<Uint8Array> {
  const { url, trust, holding, limits, signal } = request;
  const late = () =>
    new FetchError('total-timeout', `${url.host} did not answer within ${limits.totalMs} ms`);
  const timer = new FetchTimer(clock, signal);
  try {
    return await timer.within(limits.totalMs, late, async () => {
      const { socket } = await openEndpoint({ url, trust, lookup, guard, proxy, limits, timer });
      const answer = await httpGet({ socket, url, waitSeconds: 0, holding, limits, timer });
      if (answer.kind === 'document') return answer.body;
      throw new FetchError('status-refused', `${url.host} has no document at ${url.pathname}`);
    });
  } finally {
    timer.close();
  }
}
