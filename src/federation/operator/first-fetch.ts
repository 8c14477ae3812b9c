import { defined } from '../../objects/index.ts';
import { BundleError, CodedError, parseBundle } from '../../spiffe/index.ts';
import { FederationError, FetchError, type FetchTrace } from '../fetch/errors.ts';
import { fetchBundle } from '../fetch/fetch-bundle.ts';
import { provedBy, recordFetch } from '../fetch/fetch-record.ts';
import { endpointTrustDomain } from '../fetch/serving.ts';
import { fetchedDocument, limitsOf } from '../signed-bundle/fetched-document.ts';
import { OfferedChains } from '../trust/offered-chains.ts';
import type { BootstrapRequest, EstablishParts, FirstTrust } from './first-trust.ts';
import { pinnedBundles, prove } from './pinned-roots.ts';

/**
 * Fetches the first bundle from the first address that gives one. That one is judged, and no other
 * address is asked.
 */
export async function firstFromEndpoint(
  parts: EstablishParts,
  request: BootstrapRequest,
  urls: readonly string[],
  signal: AbortSignal,
): Promise<FirstTrust> {
  let first: unknown;
  for (const endpointUrl of urls) {
    try {
      return await fromEndpoint(parts, { ...request, endpointUrl }, signal);
    } catch (error) {
      const unreachable = error instanceof FederationError && error.code === 'bootstrap-fetch-failed';
      if (!unreachable || signal.aborted) throw error;
      first ??= error;
    }
  }
  throw first;
}

async function fromEndpoint(
  parts: EstablishParts,
  request: BootstrapRequest,
  signal: AbortSignal,
): Promise<FirstTrust> {
  const { trustDomain, endpointUrl, profile, bootstrap } = request;
  // A self-serving endpoint can only be verified with the bundle that it is about to offer. So its
  // chains are kept until the pin has proved that bundle.
  const selfServing = profile.kind === 'https_spiffe' && endpointTrustDomain(profile) === trustDomain;
  const chains = selfServing ? new OfferedChains() : undefined;
  let trace: FetchTrace | undefined;
  try {
    const fetched = await fetchBundle({
      trustDomain,
      endpointUrl,
      profile,
      signal,
      webPkiCaPem: bootstrap.caPem,
      verifier: chains ?? parts.verifier,
      lookup: parts.lookup,
      guard: parts.guard,
      proxy: parts.proxy,
      limits: limitsOf(profile, parts.fetchLimits),
      redirects: parts.redirects,
      clock: parts.clock,
    });
    if (fetched.kind !== 'document') throw new TypeError('unreachable: no tag was sent');
    trace = fetched.trace;
    const opened = await fetchedDocument(fetched, {
      trustDomain,
      profile,
      bundles: pinnedBundles(parts, request, fetched.body),
      now: parts.clock.now(),
      maxDocumentBytes: parts.fetchLimits.maxBodyBytes,
    });
    trace = opened.trace;
    const parsed = parseBundle(trustDomain, opened.document, parts.bundleLimits);
    const proof = prove(parts, request, parsed.bundle, chains);
    recordFetch(parts.log, {
      trustDomain,
      endpointUrl,
      profile,
      trace,
      offer: parsed,
      outcome: { kind: 'bootstrap' },
    });
    return {
      ...parsed,
      proof,
      fetched: true,
      origin: trace.redirects.at(-1) ?? endpointUrl,
      ...defined({ provedBy: provedBy(trace), etag: fetched.etag, signed: opened.signed }),
    };
  } catch (error) {
    const refusal = explain(error, request);
    const code = error instanceof CodedError ? { code: error.code } : {};
    const way = error instanceof FetchError ? (error.trace ?? trace) : trace;
    recordFetch(parts.log, {
      trustDomain,
      endpointUrl,
      profile,
      trace: way,
      error,
      outcome: { kind: 'failed', ...code },
    });
    throw refusal;
  }
}

function explain(error: unknown, { trustDomain, endpointUrl }: BootstrapRequest): unknown {
  if (error instanceof FederationError || !(error instanceof CodedError)) return error;
  const message = `cannot fetch the first bundle of ${trustDomain} from ${endpointUrl}: ${error.message}`;
  const code = error instanceof BundleError ? 'bootstrap-bundle-invalid' : 'bootstrap-fetch-failed';
  return new FederationError(code, message, { cause: error });
}
