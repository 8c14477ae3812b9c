import type { TrustDomain } from '../../spiffe/index.ts';
import type { SignedBundle } from './signed-bundle.ts';

/**
 * The signed bundles of peers as they came, for others to fetch from us: they prove themselves, so
 * that we only carry them. In memory: after a restart the next poll brings them again.
 */
export class CarriedBundles {
  readonly #bundles = new Map<TrustDomain, SignedBundle>();

  /** The newest one that was accepted. */
  carry(trustDomain: TrustDomain, bundle: SignedBundle): void {
    this.#bundles.set(trustDomain, bundle);
  }

  drop(trustDomain: TrustDomain): void {
    this.#bundles.delete(trustDomain);
  }

  /** Undefined where none came, or the last one is over. */
  of(trustDomain: TrustDomain, now: Date): SignedBundle | undefined {
    const bundle = this.#bundles.get(trustDomain);
    return bundle && now < bundle.expiresAt ? bundle : undefined;
  }
}
