import type { Svid } from '../mtls/index.ts';
import { type BundleSource, bundlesEqual, type TrustBundle, type TrustDomain } from '../spiffe/index.ts';

/** Everything that a workload socket gives out, at one moment. */
export interface WorkloadState {
  /** Our own trust domain's bundle; undefined until the mesh has reported it. */
  readonly own: TrustBundle | undefined;
  /** Every foreign bundle that counts, each of another trust domain. */
  readonly foreign: readonly TrustBundle[];
  /**
   * The SVID that callers get: `none` where they get none here, `awaited` where it has not arrived
   * yet.
   */
  readonly identity: Svid | 'none' | 'awaited';
}

/** Whether two states give out the same. */
export function isSameState(a: WorkloadState, b: WorkloadState): boolean {
  const [ours, theirs] = [bundlesByName(a), bundlesByName(b)];
  return (
    a.identity === b.identity &&
    a.own?.trustDomain === b.own?.trustDomain &&
    ours.size === theirs.size &&
    [...ours].every(([trustDomain, bundle]) => {
      const other = theirs.get(trustDomain);
      return other !== undefined && (other === bundle || bundlesEqual(other, bundle));
    })
  );
}

/** The bundles of a state, for verifying. */
export function bundlesOf(state: WorkloadState): BundleSource {
  const all = bundlesByName(state);
  return { bundleFor: (trustDomain) => all.get(trustDomain) };
}

function bundlesByName({ own, foreign }: WorkloadState): ReadonlyMap<TrustDomain, TrustBundle> {
  return new Map([...foreign, ...(own ? [own] : [])].map((bundle) => [bundle.trustDomain, bundle]));
}
