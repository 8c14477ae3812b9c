import type { PeerVerifier } from '../../mtls/index.ts';
import type { EndpointProfile, TrustDomain } from '../../spiffe/index.ts';
import { openEndpoint } from './endpoint-tls.ts';
import { FetchError, type FetchTrace } from './errors.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { FetchTimer } from './fetch-timer.ts';
import type { AddressKind } from './address-kind.ts';
import { httpGet } from './http-get.ts';
import type { Reach } from './reach.ts';
import { type RedirectSettings, redirectTarget } from './redirects.ts';
import { readSourceFile } from './read-source-file.ts';
import { parseSourceUrl } from './source-url.ts';
import type { OutgoingProxy } from './outgoing-proxy.ts';

/**
 * One fetch: the trust domain, the URL, and how the endpoint proves its identity (FED-03, FED-04).
 */
export interface FetchRequest extends Pick<Reach, 'clock' | 'lookup' | 'guard'> {
  readonly trustDomain: TrustDomain;
  readonly endpointUrl: string;
  readonly profile: EndpointProfile;
  /**
   * Judges the endpoint's X509-SVID for `https_spiffe`, by the latest bundles held (FED-29,
   * FED-31).
   */
  readonly verifier: PeerVerifier;
  /** For `https_web`: the only CAs that count, PEM. */
  readonly webPkiCaPem?: string | undefined;
  /** The tag of the document that we hold, so that the endpoint can answer "not modified". */
  readonly etag?: DocumentTag | undefined;
  /**
   * How long the endpoint may wait for another document than that of `etag`, default 0; the limits
   * have to allow for it.
   */
  readonly waitSeconds?: number;
  /** What we hold, signed. Sent to the configured URL only, never to a redirect's target. */
  readonly holding?: string;
  /** Through which endpoints are reached; undefined: directly. */
  readonly proxy: OutgoingProxy | undefined;
  readonly limits: FetchLimits;
  readonly redirects: RedirectSettings;
  readonly signal: AbortSignal;
}

/**
 * An entity tag (RFC 9110 §8.8.3) and the URL whose document it names, at the end of any redirects.
 */
export interface DocumentTag {
  readonly tag: string;
  readonly url: string;
  /** Whether the endpoint that gave it holds requests until there is another. */
  readonly held: boolean;
}

/** What came back, and by which way. The document is only bytes: parsing and judging come after. */
export type FetchOutcome =
  | {
      readonly kind: 'document';
      readonly body: Uint8Array;
      readonly etag?: DocumentTag;
      readonly trace: FetchTrace;
    }
  | { readonly kind: 'not-modified'; readonly held: boolean; readonly trace: FetchTrace };

/**
 * Fetches the bundle document of one trust domain, always from the configured URL (SPIFFE
 * Federation §5.2.1.4, §5.2.2.4; FED-26 to FED-42). The endpoint is authenticated before the first
 * byte of HTTP. The fetch is bounded in every direction, and its connections are new and closed
 * again. Throws `FetchError` with the way it went until then in `trace`.
 */
export async function fetchBundle(request: FetchRequest): Promise<FetchOutcome> {
  const { trustDomain, limits, clock } = request;
  const startedMs = clock.monotonicMs();
  const hops: string[] = [];
  let reported: Pick<FetchTrace, 'theirReport'> = {};
  let proof: Pick<FetchTrace, 'leafFingerprint' | 'rootFingerprint'> = {};
  const trace = (): FetchTrace => ({
    redirects: hops,
    ...proof,
    ...reported,
    durationMs: Math.round(clock.monotonicMs() - startedMs),
  });
  const late = () =>
    new FetchError(
      'total-timeout',
      `the bundle of ${trustDomain} did not arrive within ${limits.totalMs} ms`,
    );
  const timer = new FetchTimer(clock, request.signal);
  try {
    return await timer.within(limits.totalMs, late, async () => {
      let url = configuredUrl(request);
      if (url.protocol === 'file:')
        return {
          kind: 'document',
          body: await readSourceFile(url, limits.maxBodyBytes, timer.signal),
          trace: trace(),
        };
      let redirectedFrom: AddressKind | undefined;
      for (;;) {
        proof = {};
        const { socket, at, ...certificates } = await openEndpoint({
          url,
          redirectedFrom,
          trust: request,
          lookup: request.lookup,
          guard: request.guard,
          proxy: request.proxy,
          limits,
          timer,
        });
        proof = certificates;
        // A tag means something only where it came from: another server may call another document
        // the same.
        const asked = request.etag?.url === url.href ? request.etag.tag : undefined;
        const waitSeconds = asked === undefined ? 0 : (request.waitSeconds ?? 0);
        const holding = hops.length === 0 ? request.holding : undefined;
        const answer = await httpGet({ socket, url, etag: asked, waitSeconds, holding, limits, timer });
        if (holding !== undefined && answer.kind !== 'redirect')
          reported = { theirReport: answer.theirReport };
        if (answer.kind === 'not-modified')
          return { kind: 'not-modified', held: answer.held, trace: trace() };
        if (answer.kind === 'document') {
          const { body, held, etag: tag } = answer;
          const etag = tag === undefined ? {} : { etag: { tag, url: url.href, held } };
          return { kind: 'document', body, ...etag, trace: trace() };
        }
        const { location } = answer;
        url = redirectTarget({ from: url, location, taken: hops.length, settings: request.redirects });
        redirectedFrom = at;
        hops.push(url.href);
      }
    });
  } catch (error) {
    throw withTrace(error, request, trace());
  } finally {
    timer.close();
  }
}

function configuredUrl({ endpointUrl, profile }: FetchRequest): URL {
  try {
    return parseSourceUrl(endpointUrl, profile);
  } catch (cause) {
    throw new FetchError('url-refused', `${JSON.stringify(endpointUrl)} is not an endpoint URL`, { cause });
  }
}

/** Turns every error into a `FetchError`, so that the caller can rely on its code. */
function withTrace(error: unknown, { trustDomain, signal }: FetchRequest, trace: FetchTrace): FetchError {
  if (error instanceof FetchError)
    return new FetchError(error.code, error.message, { cause: error.cause, trace });
  if (signal.aborted)
    return new FetchError('called-off', `the fetch of the bundle of ${trustDomain} was called off`, {
      cause: error,
      trace,
    });
  throw error;
}
