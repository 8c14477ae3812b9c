import type { TrustDomain } from '../../spiffe/index.ts';

/** The fingerprints of anchors, by trust domain. */
export type AnchorsByOwner = ReadonlyMap<TrustDomain, ReadonlySet<string>>;

export function fingerprintsOf(certificates: readonly { readonly fingerprint: string }[]): Set<string> {
  return new Set(certificates.map(({ fingerprint }) => fingerprint));
}

/** Whether there are others than these of a trust domain. */
export function hasOthers(
  held: AnchorsByOwner,
  anchors: readonly { readonly fingerprint: string }[],
  trustDomain: TrustDomain,
): boolean {
  const wanted = fingerprintsOf(anchors);
  return [...(held.get(trustDomain) ?? [])].some((fingerprint) => !wanted.has(fingerprint));
}

/**
 * The anchors that pods may still have. A pod keeps the anchors of its injection until it restarts,
 * and the only visible fact is whether some pod has anchors other than the present ones.
 */
export class PodAnchors {
  readonly #left = new Map<TrustDomain, Set<string>>();
  /** Trust domains with anchors reported before the start; pods may have had them since then. */
  #before: ReadonlySet<TrustDomain> | undefined;

  /**
   * Records the anchors that new pods get. `areStale`: some pod has other anchors; `reported`:
   * trust domains that the last report did not call gone.
   */
  note(present: AnchorsByOwner, areStale: boolean, reported: ReadonlySet<TrustDomain>): void {
    this.#before ??= new Set(reported);
    if (!areStale) {
      this.#left.clear();
      this.#before = new Set();
    }
    for (const [trustDomain, fingerprints] of present)
      this.#left.set(trustDomain, new Set([...(this.#left.get(trustDomain) ?? []), ...fingerprints]));
  }

  /** The anchors that are known of. */
  get left(): AnchorsByOwner {
    return this.#left;
  }

  /** The trust domains with anchors that pods may have. */
  get trustDomains(): ReadonlySet<TrustDomain> {
    return new Set([...this.#left.keys(), ...(this.#before ?? [])]);
  }
}
