import type { TrustDomain } from '../../spiffe/index.ts';

/** The fingerprints of anchors, by whose they are. */
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
 * The anchors that pods may still have: each keeps those with which it was injected until it is
 * restarted, and all that can be seen of that is whether some pod has others than the present ones.
 */
export class PodAnchors {
  readonly #left = new Map<TrustDomain, Set<string>>();
  /** Whose anchors were told of before the start, and may be in pods since then. */
  #before: ReadonlySet<TrustDomain> | undefined;

  /**
   * Takes up what stands where new pods get theirs. `areStale`: some pod has others; `told`: who
   * was told of as more than gone.
   */
  note(present: AnchorsByOwner, areStale: boolean, told: ReadonlySet<TrustDomain>): void {
    this.#before ??= new Set(told);
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

  /** Whose anchors pods may have. */
  get trustDomains(): ReadonlySet<TrustDomain> {
    return new Set([...this.#left.keys(), ...(this.#before ?? [])]);
  }
}
