import type { BundleSource, TrustBundle } from '../spiffe/index.ts';
import type { InvitationParts } from './parts.ts';

/**
 * Makes a bundle source of one bundle that was reported and is not held, to verify what came with
 * it. Keys that the operator distrusts prove nothing here either.
 */
export function reportedBundle(
  { federation: { bundles } }: InvitationParts,
  reported: TrustBundle,
): BundleSource {
  return {
    bundleFor: (trustDomain) => (trustDomain === reported.trustDomain ? reported : undefined),
    ...(bundles.distrustedKeys
      ? { distrustedKeys: (trustDomain) => bundles.distrustedKeys?.(trustDomain) }
      : {}),
  };
}
