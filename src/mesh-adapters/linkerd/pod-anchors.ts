import type { TrustDomain } from '../../spiffe/index.ts';

/**
 * The anchors that pods may still have: each keeps those with which it was injected until it is restarted, and all that can be seen
 * of that is whether some pod has others than the present ones.
 */
export class PodAnchors {
  /** By fingerprint, whose they are. */
  readonly #left = new Map<string, TrustDomain>();
  /** Whose anchors were told of before the start, and may be in pods since then. */
  #before: ReadonlySet<TrustDomain> | undefined;

  /** Takes up what stands where new pods get theirs. `areStale`: some pod has others; `told`: who was told of as more than gone. */
  note(present: ReadonlyMap<string, TrustDomain>, areStale: boolean, told: ReadonlySet<TrustDomain>): void {
    this.#before ??= new Set(told);
    if (!areStale) {
      this.#left.clear();
      this.#before = new Set();
    }
    for (const [fingerprint, trustDomain] of present) this.#left.set(fingerprint, trustDomain);
  }

  /** Whose anchors pods may have. */
  get trustDomains(): ReadonlySet<TrustDomain> {
    return new Set([...this.#left.values(), ...(this.#before ?? [])]);
  }

  /** Whether pods may have others than these of a trust domain. */
  hasOthers(fingerprints: ReadonlySet<string>, trustDomain: TrustDomain): boolean {
    for (const [fingerprint, whose] of this.#left)
      if (whose === trustDomain && !fingerprints.has(fingerprint)) return true;
    return false;
  }
}
