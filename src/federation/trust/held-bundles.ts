import { Listeners, type Log } from '../../platform/index.ts';
import { BundleSet, type BundleSource, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';

/**
 * Called for every change of what is trusted. `undefined` means that nothing of this trust domain
 * is trusted any more.
 */
export type BundleListener = (trustDomain: TrustDomain, bundle: TrustBundle | undefined) => void;

/**
 * Every foreign bundle that is held, in memory; `TrustedBundles` decides what of it counts. Changed
 * only after the store has committed the same (invariant 2), a whole bundle at a time
 * (TDB-41).
 */
export class HeldBundles implements BundleSource {
  readonly #set = new BundleSet();
  readonly #listeners: Listeners<Parameters<BundleListener>>;
  #list: readonly TrustBundle[] | undefined;

  constructor(log: Log) {
    this.#listeners = bundleListeners(log);
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.#set.bundleFor(trustDomain);
  }

  /**
   * All of them; the same array until something changes, since every judgement of a peer asks for
   * it.
   */
  list(): readonly TrustBundle[] {
    const list = this.#list ?? this.#set.list();
    this.#list = list;
    return list;
  }

  /** Replaces a bundle, and calls the listeners. */
  replace(bundle: TrustBundle): void {
    this.remember(bundle);
    this.#listeners.notify(bundle.trustDomain, bundle);
  }

  /** Stores a bundle with the same keys and a newer sequence or hint, without calling listeners. */
  remember(bundle: TrustBundle): void {
    this.#set.set(bundle);
    this.#list = undefined;
  }

  /** Ends the trust in a trust domain, and calls the listeners (FED-59). */
  drop(trustDomain: TrustDomain): void {
    this.#set.delete(trustDomain);
    this.#list = undefined;
    this.#listeners.notify(trustDomain, undefined);
  }

  /** Calls back after each change until the returned function is called. */
  onChange(listener: BundleListener): () => void {
    return this.#listeners.add(listener);
  }
}

/** The listeners for changes of bundles. One that fails stops neither the others nor the caller. */
export function bundleListeners(log: Log): Listeners<Parameters<BundleListener>> {
  return new Listeners<Parameters<BundleListener>>((error, trustDomain) =>
    log.error('a listener for bundle changes failed', { trustDomain, error }),
  );
}
