import {
  defaultScheduleSettings,
  type DocumentTag,
  nextPollDelayMs,
  retryDelayMs,
  type ScheduleSettings,
} from '../../federation/index.ts';
import { CodedError } from '../../errors/index.ts';
import { pause, systemClock, systemRandom } from '../../platform/index.ts';
import { bundlesEqual, type BundleSource, PemError, type TrustBundle } from '../../spiffe/index.ts';
import { type BundleEndpoint, type FetchBundleOptions, fetchOnce, readDocument } from './fetch-bundle.ts';

export interface WatchBundleOptions extends FetchBundleOptions {
  /** The bundle that the program holds already. It is not yielded again. */
  readonly held?: TrustBundle;
  /** Receives each failed fetch and each refused bundle. The last good bundle stays. */
  readonly onError?: (error: Error) => void;
  /** Bounds of the time between two fetches; those left out have their defaults. */
  readonly schedule?: Partial<ScheduleSettings>;
}

export type WatchErrorCode =
  /** The endpoint offers another bundle under a lower sequence number than the last one. */
  'sequence-rolled-back';

/** A fetched bundle is refused, and the last one stays. */
export class WatchError extends CodedError<WatchErrorCode> {}

/**
 * Yields the bundle of a trust domain, and again each time its content changes, until the signal
 * aborts: `for await (const bundle of watchBundle(endpoint, { signal })) bundles.set(bundle)`. It
 * fetches as often as the bundle's refresh hint asks for, and soon again after a failure. An
 * endpoint of its own trust domain is proved by the latest bundle (SPIFFE Federation §5.2.2). An
 * older bundle than the last one is never yielded.
 */
export async function* watchBundle(
  endpoint: BundleEndpoint,
  options: WatchBundleOptions = {},
): AsyncGenerator<TrustBundle, void, undefined> {
  const { signal = new AbortController().signal, onError, clock = systemClock } = options;
  const schedule = { ...defaultScheduleSettings, ...options.schedule };
  let held = options.held;
  let etag: DocumentTag | undefined;
  let failures = 0;
  const following = withLatest(endpoint, () => held);
  while (!signal.aborted) {
    let news: TrustBundle | undefined;
    try {
      const fetched = await fetchOnce(following, { ...options, signal, clock }, etag);
      if (fetched.body) {
        const { bundle } = readDocument(endpoint, fetched.body, options);
        refuseOlder(held, bundle);
        if (!held || !bundlesEqual(held, bundle)) news = bundle;
        held = bundle;
        etag = fetched.etag;
      }
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      // A mistake of the caller does not go away by itself.
      if (!(error instanceof CodedError) || error instanceof PemError) throw error;
      failures += 1;
      onError?.(error);
    }
    if (news) yield news;
    const regularMs = nextPollDelayMs(held?.refreshHintSeconds, schedule, systemRandom);
    const waitMs = failures === 0 ? regularMs : retryDelayMs(failures, regularMs, systemRandom);
    if (!(await pause(clock, waitMs, signal))) return;
  }
}

/** Equal content may come under any number: a replica or a restored server counts otherwise. */
function refuseOlder(held: TrustBundle | undefined, offered: TrustBundle): void {
  if (held?.sequence === undefined || offered.sequence === undefined) return;
  if (offered.sequence >= held.sequence || bundlesEqual(held, offered)) return;
  throw new WatchError(
    'sequence-rolled-back',
    `the endpoint offers sequence ${offered.sequence} of ${offered.trustDomain}, which is older than the last one, ${held.sequence}`,
  );
}

/** The endpoint with the watched bundle itself in front of those that were given (FED-29). */
function withLatest(endpoint: BundleEndpoint, latest: () => TrustBundle | undefined): BundleEndpoint {
  if (endpoint.profile === 'https_web') return endpoint;
  const { trustDomain, bundles: given } = endpoint;
  const bundles: BundleSource = {
    bundleFor: (wanted) => (wanted === trustDomain ? latest() : undefined) ?? given.bundleFor(wanted),
    ...(given.distrustedKeys ? { distrustedKeys: (wanted) => given.distrustedKeys?.(wanted) } : {}),
  };
  return { ...endpoint, bundles };
}
