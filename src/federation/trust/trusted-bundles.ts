import { type Clock, type Log, pause } from '../../platform/index.ts';
import type { BundleSource, TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { DistrustedKey } from '../../store/index.ts';
import { type BundleListener, bundleListeners, type HeldBundles } from './held-bundles.ts';
import { portablePart } from './portable-part.ts';
import { withoutKeys } from './without-keys.ts';

/** For waits that are cut short; an error with a stack for each would cost more than the wait. */
const WOKEN = new Error('something else is to be waited for');

/**
 * Gives the part of the held bundles that counts, and is the one place that decides it. It leaves
 * out keys that the operator distrusts, roots that other programs cannot read, and peers that are
 * staler than their limit allows (FED-57). Code that verifies, publishes or renders uses this; code
 * that judges an offer compares with what is held. Instants are compared at each call, so no timer
 * has to be in time. `run` only calls the listeners.
 */
export class TrustedBundles implements BundleSource {
  /**
   * For verifying endpoints. A stale peer's endpoint is still polled, because the peer could not
   * become fresh again otherwise.
   */
  readonly evenStale: BundleSource;
  readonly #held: HeldBundles;
  readonly #clock: Clock;
  readonly #listeners: ReturnType<typeof bundleListeners>;
  readonly #distrusted = new Map<TrustDomain, readonly DistrustedKey[]>();
  readonly #keys = new Map<TrustDomain, ReadonlySet<string>>();
  readonly #staleAt = new Map<TrustDomain, number>();
  #wake: AbortController | undefined;

  constructor(options: { readonly held: HeldBundles; readonly clock: Clock; readonly log: Log }) {
    this.#held = options.held;
    this.#clock = options.clock;
    this.#listeners = bundleListeners(options.log);
    this.evenStale = {
      bundleFor: (trustDomain) => {
        const bundle = this.#held.bundleFor(trustDomain);
        return this.filter(bundle && portablePart(bundle));
      },
      distrustedKeys: (trustDomain) => this.distrustedKeys(trustDomain),
    };
    this.#held.onChange((trustDomain) => this.#announce(trustDomain));
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.isStale(trustDomain) ? undefined : this.evenStale.bundleFor(trustDomain);
  }

  distrustedKeys(trustDomain: TrustDomain): ReadonlySet<string> | undefined {
    return this.#keys.get(trustDomain);
  }

  /** Every foreign bundle that counts now. */
  list(): readonly TrustBundle[] {
    return this.#held.list().flatMap(({ trustDomain }) => this.bundleFor(trustDomain) ?? []);
  }

  /**
   * A bundle without the keys of its trust domain that are distrusted; the same one where none is.
   */
  filter<Bundle extends TrustBundle | undefined>(bundle: Bundle): Bundle | TrustBundle {
    const keys = bundle && this.#keys.get(bundle.trustDomain);
    return bundle && keys ? withoutKeys(bundle, keys) : bundle;
  }

  /** The keys that are distrusted now, of one trust domain or of all. */
  distrusted(trustDomain?: TrustDomain): readonly DistrustedKey[] {
    return trustDomain === undefined
      ? [...this.#distrusted.values()].flat()
      : (this.#distrusted.get(trustDomain) ?? []);
  }

  /** Takes a key out from now on. */
  distrust(key: DistrustedKey): void {
    const others = this.distrusted(key.trustDomain).filter(
      ({ keyFingerprint }) => keyFingerprint !== key.keyFingerprint,
    );
    this.#put(key.trustDomain, [...others, key]);
  }

  /** Lets a key count again from now on. */
  trustAgain(trustDomain: TrustDomain, keyFingerprint: string): void {
    this.#put(
      trustDomain,
      this.distrusted(trustDomain).filter((key) => key.keyFingerprint !== keyFingerprint),
    );
  }

  /** From when on a peer is stale unless a poll succeeds before; undefined: never. */
  staleFrom(trustDomain: TrustDomain, instant: Date | undefined): void {
    const before = this.isStale(trustDomain);
    if (instant === undefined) this.#staleAt.delete(trustDomain);
    else this.#staleAt.set(trustDomain, instant.getTime());
    if (before !== this.isStale(trustDomain)) this.#announce(trustDomain);
    this.#wake?.abort(WOKEN);
  }

  isStale(trustDomain: TrustDomain): boolean {
    const instant = this.#staleAt.get(trustDomain);
    return instant !== undefined && instant <= this.#clock.now().getTime();
  }

  /**
   * Calls back with each foreign bundle that is replaced, or `undefined` for one that is removed,
   * until the returned function is called.
   */
  onChange(listener: BundleListener): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Calls the listeners when a distrust lapses or a peer becomes stale, until the signal aborts.
   */
  async run(
    signal: AbortSignal,
    happened: {
      readonly lapsed: (key: DistrustedKey) => void;
      readonly stale: (trustDomain: TrustDomain) => void;
    },
  ): Promise<void> {
    const known = new Set<TrustDomain>();
    while (!signal.aborted) {
      const now = this.#clock.now().getTime();
      for (const key of this.distrusted()) {
        if (key.until === undefined || key.until.getTime() > now) continue;
        this.trustAgain(key.trustDomain, key.keyFingerprint);
        happened.lapsed(key);
      }
      for (const [trustDomain] of this.#staleAt) {
        if (!this.isStale(trustDomain)) known.delete(trustDomain);
        else if (!known.has(trustDomain)) {
          known.add(trustDomain);
          this.#announce(trustDomain);
          happened.stale(trustDomain);
        }
      }
      await this.#untilNext(signal, now);
    }
  }

  async #untilNext(signal: AbortSignal, now: number): Promise<void> {
    const instants = [
      ...this.distrusted().flatMap(({ until }) => until?.getTime() ?? []),
      ...[...this.#staleAt.values()].filter((instant) => instant > now),
    ];
    this.#wake = new AbortController();
    const woken = AbortSignal.any([signal, this.#wake.signal]);
    if (instants.length === 0) {
      await new Promise<void>((resolve) => woken.addEventListener('abort', () => resolve(), { once: true }));
      return;
    }
    // Woken: the loop looks at why.
    await pause(this.#clock, Math.max(0, Math.min(...instants) - now), woken);
  }

  #put(trustDomain: TrustDomain, keys: readonly DistrustedKey[]): void {
    if (keys.length === 0) {
      this.#distrusted.delete(trustDomain);
      this.#keys.delete(trustDomain);
    } else {
      this.#distrusted.set(trustDomain, keys);
      this.#keys.set(trustDomain, new Set(keys.map(({ keyFingerprint }) => keyFingerprint)));
    }
    this.#announce(trustDomain);
    this.#wake?.abort(WOKEN);
  }

  #announce(trustDomain: TrustDomain): void {
    this.#listeners.notify(trustDomain, this.bundleFor(trustDomain));
  }
}
