import { pollingOf } from '../../agent/index.ts';
import type { AgentConfig } from '../../config/index.ts';
import { fetchBundle } from '../../federation/index.ts';
import { createSpiffeVerifier } from '../../mtls/index.ts';
import { type EndpointProfile, parseBundle, type TrustBundle } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';
import type { HeldTrust } from './held-trust.ts';
import { FETCH_MS, type Subject } from './subject.ts';

/**
 * Fetches a bundle as the agent would. Throws `FetchError`, and the errors of `parseBundle()` for an
 * answer that cannot be used.
 */
export type Fetch = (target: {
  readonly trustDomain: Relationship['trustDomain'];
  readonly url: string;
  readonly profile: EndpointProfile;
  readonly caPem: string | undefined;
}) => Promise<{
  readonly bundle: TrustBundle;
  readonly durationMs: number;
  readonly leaf: string | undefined;
}>;

/**
 * Makes the fetcher of one examination: with the limits and the guard of the agent's config, and the
 * bundles in its store as trust.
 */
export function createFetch(config: AgentConfig, held: HeldTrust, { clock, signal }: Subject): Fetch {
  const { lookup: hosts, guard, proxy, redirects, fetchLimits, bundleLimits } = pollingOf(config);
  const verifier = createSpiffeVerifier({
    bundles: {
      bundleFor: (trustDomain) => held.bundles.bundleFor(trustDomain),
      distrustedKeys: (trustDomain) => held.distrusted.get(trustDomain),
    },
    clock,
    strictKeyUsage: config.federation.strict_key_usage,
  });
  const limits = {
    ...fetchLimits,
    connectMs: Math.min(fetchLimits.connectMs, FETCH_MS),
    tlsMs: Math.min(fetchLimits.tlsMs, FETCH_MS),
    totalMs: Math.min(fetchLimits.totalMs, FETCH_MS),
  };
  return async ({ trustDomain, url, profile, caPem }) => {
    const outcome = await fetchBundle({
      trustDomain,
      endpointUrl: url,
      profile,
      verifier,
      webPkiCaPem: caPem,
      lookup: hosts,
      guard,
      proxy,
      redirects,
      limits,
      clock,
      signal,
    });
    if (outcome.kind !== 'document') throw new TypeError('unreachable: nothing was held before');
    const { durationMs, leafFingerprint: leaf } = outcome.trace;
    return { bundle: parseBundle(trustDomain, outcome.body, bundleLimits).bundle, durationMs, leaf };
  };
}
