import type { BundleSource, TrustBundle } from '../../spiffe/index.ts';
import type { InvitationParts } from './parts.ts';

/**
 * One bundle that was told and is not held, for proving what was said with it; keys that the
 * operator distrusts prove nothing in it either.
 */
export function toldBundle({ federation: { bundles } }: InvitationParts, told: TrustBundle): BundleSource {
  return {
    bundleFor: (trustDomain) => (trustDomain === told.trustDomain ? told : undefined),
    ...(bundles.distrustedKeys
      ? { distrustedKeys: (trustDomain) => bundles.distrustedKeys?.(trustDomain) }
      : {}),
  };
}
