import {
  createHostLookup,
  defaultFetchLimits,
  defaultRedirectSettings,
  type DocumentTag,
  fetchBundle as fetchDocument,
  type FetchLimits,
  type RedirectSettings,
} from '../../federation/index.ts';
import { createSpiffeVerifier } from '../../mtls/index.ts';
import { defined } from '../../objects/index.ts';
import { type Clock, systemClock } from '../../platform/index.ts';
import {
  type BundleSource,
  certificatesFromPem,
  defaultBundleLimits,
  type EndpointProfile,
  parseBundle,
  type ParsedBundle,
  type SpiffeId,
  type TrustDomain,
} from '../../spiffe/index.ts';

/** A bundle endpoint that proves itself by Web PKI and its host name. */
export interface WebBundleEndpoint {
  readonly trustDomain: TrustDomain;
  readonly url: string;
  readonly profile: 'https_web';
  /** The only CAs that count, PEM, one at least. Default: those that Node.js trusts. */
  readonly webPkiCaPem?: string;
}

/** A bundle endpoint that proves itself by an X509-SVID. */
export interface SpiffeBundleEndpoint {
  readonly trustDomain: TrustDomain;
  readonly url: string;
  readonly profile: 'https_spiffe';
  /** The SPIFFE ID that the endpoint must have. */
  readonly endpointId: SpiffeId;
  /** Has the bundle of the endpoint's own trust domain. */
  readonly bundles: BundleSource;
}

/** Where the bundle of a trust domain is served, and how the endpoint proves itself. */
export type BundleEndpoint = WebBundleEndpoint | SpiffeBundleEndpoint;

export interface FetchBundleOptions {
  readonly signal?: AbortSignal;
  /** Limits of time and size; those left out have their defaults. */
  readonly limits?: Partial<FetchLimits>;
  readonly redirects?: RedirectSettings;
  /** Default: the system's. For tests. */
  readonly clock?: Clock;
}

/**
 * Fetches the bundle of a trust domain once (SPIFFE Federation §5). The endpoint is proved before
 * the first byte of HTTP, and everything that it may cost has a limit. Rejects with `FetchError`
 * where no document came, with `BundleError` where it is not a bundle, and with `PemError` where
 * `webPkiCaPem` has no certificate.
 */
export async function fetchBundle(
  endpoint: BundleEndpoint,
  options: FetchBundleOptions = {},
): Promise<ParsedBundle> {
  const { body } = await fetchOnce(endpoint, options);
  if (!body) throw new TypeError('unreachable: without a tag every answer has a document');
  return readDocument(endpoint, body, options);
}

/** One fetch; without a body where the endpoint still serves the document of `etag`. */
export async function fetchOnce(
  endpoint: BundleEndpoint,
  { signal, limits, redirects, clock = systemClock }: FetchBundleOptions,
  etag?: DocumentTag,
): Promise<{ readonly body?: Uint8Array; readonly etag?: DocumentTag }> {
  if (endpoint.profile === 'https_web' && endpoint.webPkiCaPem !== undefined)
    certificatesFromPem(endpoint.webPkiCaPem);
  const fetched = await fetchDocument({
    trustDomain: endpoint.trustDomain,
    endpointUrl: endpoint.url,
    profile: profileOf(endpoint),
    verifier: createSpiffeVerifier({ bundles: bundlesOf(endpoint), clock, cacheEntries: 0 }),
    webPkiCaPem: endpoint.profile === 'https_web' ? endpoint.webPkiCaPem : undefined,
    etag,
    lookup: createHostLookup(),
    proxy: undefined,
    limits: { ...defaultFetchLimits, ...limits },
    redirects: redirects ?? defaultRedirectSettings,
    clock,
    signal: signal ?? new AbortController().signal,
  });
  if (fetched.kind === 'not-modified') return {};
  return { body: fetched.body, ...defined({ etag: fetched.etag }) };
}

/** Throws `BundleError`. */
export function readDocument(
  { trustDomain }: BundleEndpoint,
  body: Uint8Array,
  { limits }: Pick<FetchBundleOptions, 'limits'>,
): ParsedBundle {
  const maxBytes = limits?.maxBodyBytes ?? defaultBundleLimits.maxBytes;
  return parseBundle(trustDomain, body, { ...defaultBundleLimits, maxBytes });
}

function profileOf(endpoint: BundleEndpoint): EndpointProfile {
  return endpoint.profile === 'https_web'
    ? { kind: 'https_web' }
    : { kind: 'https_spiffe', endpointId: endpoint.endpointId };
}

/** Over Web PKI no SVID is looked at. */
function bundlesOf(endpoint: BundleEndpoint): BundleSource {
  return endpoint.profile === 'https_web' ? { bundleFor: () => undefined } : endpoint.bundles;
}
