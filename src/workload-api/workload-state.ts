import type { Svid } from '../mtls/index.ts';
import type { BundleSource, TrustBundle } from '../spiffe/index.ts';

/** All that a workload socket gives out, at one moment. */
export interface WorkloadState {
  /** Our own trust domain's bundle; undefined while the mesh has not told it. */
  readonly own: TrustBundle | undefined;
  /** Every foreign bundle that counts, each of another trust domain. */
  readonly foreign: readonly TrustBundle[];
  /** The SVID that callers get: `none` where they get none here, `awaited` where it has not come yet. */
  readonly identity: Svid | 'none' | 'awaited';
}

/** The bundles of a state, for verifying. */
export function bundlesOf({ own, foreign }: WorkloadState): BundleSource {
  const all = new Map([...foreign, ...(own ? [own] : [])].map((bundle) => [bundle.trustDomain, bundle]));
  return { bundleFor: (trustDomain) => all.get(trustDomain) };
}
