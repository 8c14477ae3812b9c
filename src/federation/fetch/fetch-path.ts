import { defined } from '../../objects/index.ts';
import { type EndpointTrust, openEndpoint } from './endpoint-tls.ts';
import { FetchError } from './errors.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { FetchTimer } from './fetch-timer.ts';
import { httpGet } from './http-get.ts';
import type { Reach } from './reach.ts';

/** What an endpoint has at a path; `held` is whether it holds requests until there is something new. */
export type PathOutcome =
  | { readonly kind: 'document'; readonly body: Uint8Array; readonly etag?: string; readonly held: boolean }
  | { readonly kind: 'not-modified'; readonly held: boolean };

/**
 * Fetches what a peer's endpoint has at another path than its bundle, authenticated and bounded
 * like a poll. `holding` identifies us. Follows no redirect. With `etag` the endpoint may answer
 * "not modified", and with `waitSeconds` it may hold the request until there is something new.
 * Throws `FetchError`; `status-refused` from an endpoint that does not know this path.
 */
export async function fetchPath(
  { lookup, guard, proxy, clock }: Pick<Reach, 'lookup' | 'guard' | 'proxy' | 'clock'>,
  request: {
    readonly url: URL;
    readonly trust: EndpointTrust;
    readonly holding: string;
    readonly etag?: string | undefined;
    readonly waitSeconds?: number;
    readonly limits: FetchLimits;
    readonly signal: AbortSignal;
  },
): Promise<PathOutcome> {
  const { url, trust, holding, etag, waitSeconds = 0, signal } = request;
  const limits = {
    ...request.limits,
    firstByteMs: request.limits.firstByteMs + waitSeconds * 1000,
    totalMs: request.limits.totalMs + waitSeconds * 1000,
  };
  const late = () =>
    new FetchError('total-timeout', `${url.host} did not answer within ${limits.totalMs} ms`);
  const timer = new FetchTimer(clock, signal);
  try {
    return await timer.within(limits.totalMs, late, async () => {
      const { socket } = await openEndpoint({ url, trust, lookup, guard, proxy, limits, timer });
      const answer = await httpGet({ socket, url, etag, waitSeconds, holding, limits, timer });
      if (answer.kind === 'not-modified') return { kind: 'not-modified', held: answer.held };
      if (answer.kind === 'document') {
        const { kind, body, held } = answer;
        return { kind, body, held, ...defined({ etag: answer.etag }) };
      }
      throw new FetchError('status-refused', `${url.host} has no document at ${url.pathname}`);
    });
  } finally {
    timer.close();
  }
}
