import type { BundleSource, TrustBundle } from './bundle.ts';
import type { TrustDomain } from '../id/trust-domain.ts';

/** Bundles in memory, one for each trust domain; they are never merged (FED-54). */
export class BundleSet implements BundleSource {
  readonly #bundles = new Map<TrustDomain, TrustBundle>();
  readonly #listeners = new Set<() => void>();

  constructor(bundles: Iterable<TrustBundle> = []) {
    for (const bundle of bundles) this.set(bundle);
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#bundles.get(trustDomain);
  }

  /** Replaces the bundle of its trust domain as a whole (TDB-41). */
  set(bundle: TrustBundle): void {
    this.#bundles.set(bundle.trustDomain, bundle);
    this.#changed();
  }

  /** Returns whether there was one. */
  delete(trustDomain: TrustDomain): boolean {
    const deleted = this.#bundles.delete(trustDomain);
    if (deleted) this.#changed();
    return deleted;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** All bundles, by trust domain. */
  list(): TrustBundle[] {
    return [...this.#bundles.values()].sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
