import {
  createForbiddenRanges,
  createHostLookup,
  defaultFetchLimits,
  defaultRedirectSettings,
  defaultScheduleSettings,
  type FederationOptions,
} from '../federation/index.ts';
import { defaultBundleLimits } from '../spiffe/index.ts';
import type { AgentConfig } from '../config/index.ts';
import { defined } from '../objects/index.ts';

/** How peers are polled, from the config. */
export function pollingOf(
  config: AgentConfig,
): Omit<FederationOptions, 'store' | 'own' | 'clock' | 'random' | 'log' | 'metrics' | 'signer'> {
  const { trust_domain: ownTrustDomain, federation: polling } = config;
  return {
    ...defined({ ownTrustDomain }),
    fetchLimits: {
      ...defaultFetchLimits,
      connectMs: polling.connect_timeout,
      tlsMs: polling.connect_timeout,
      totalMs: polling.total_timeout,
      maxBodyBytes: polling.max_document,
    },
    bundleLimits: { ...defaultBundleLimits, maxBytes: polling.max_document },
    lookup: createHostLookup(),
    guard: createForbiddenRanges(polling.forbidden_addresses),
    proxy: polling.proxy && {
      url: polling.proxy.url,
      credentialsFile: polling.proxy.credentials_file,
      exempt: polling.proxy.no_proxy,
    },
    redirects: {
      ...defaultRedirectSettings,
      follow: polling.max_redirects > 0,
      max: polling.max_redirects,
    },
    schedule: {
      ...defaultScheduleSettings,
      floorMs: polling.minimum_poll,
      ceilingMs: polling.maximum_poll,
      withoutHintMs: polling.default_poll,
    },
    overlapLeadMs: polling.overlap_lead,
    strictKeyUsage: polling.strict_key_usage,
    watch: { seconds: Math.round(polling.hold / 1000), most: polling.max_held },
    concurrency: polling.max_polls_in_flight,
  };
}
