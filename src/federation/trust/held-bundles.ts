import type { Log } from '../../platform/index.ts';
import { BundleSet, type BundleSource, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';

/**
 * Called for every change of what is trusted. `undefined` means that nothing of this trust domain
 * is trusted any more.
 */
export type BundleListener = (trustDomain: TrustDomain, bundle: TrustBundle | undefined) => void;

/**
 * Every foreign bundle that is held, in memory; `TrustedBundles` decides what of it counts. Changed
 * only after the store has committed the same (design, invariant 2), a whole bundle at a time
 * (TDB-41).
 */
export class HeldBundles implements BundleSource {
  readonly #set = new BundleSet();
  readonly #listeners = new Set<BundleListener>();
  readonly #log: Log;
  #list: readonly TrustBundle[] | undefined;

  constructor(log: Log) {
    this.#log = log;
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
    this.#tell(bundle.trustDomain, bundle);
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
    this.#tell(trustDomain, undefined);
  }

  /** Calls back after each change until the returned function is called. */
  onChange(listener: BundleListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(trustDomain: TrustDomain, bundle: TrustBundle | undefined): void {
    notifyListeners(this.#listeners, this.#log, trustDomain, bundle);
  }
}

/** Calls every listener. One that fails stops neither the others nor the caller. */
export function notifyListeners(
  listeners: Iterable<BundleListener>,
  log: Log,
  trustDomain: TrustDomain,
  bundle: TrustBundle | undefined,
): void {
  for (const listener of listeners) {
    try {
      listener(trustDomain, bundle);
    } catch (error) {
      log.error('a listener for bundle changes failed', { trustDomain, error });
    }
  }
}
