import { type Clock, TokenBucket } from '../../../platform/index.ts';
import type { SpiffeId } from '../../../spiffe/index.ts';

/** How often one caller may call. */
export interface CallerRate {
  readonly requestsPerSecond: number;
  /** So many requests at once, after a pause. */
  readonly burst: number;
}

export interface CallerRateSettings extends CallerRate {
  /** Callers with a rate of their own. */
  readonly callers: ReadonlyMap<SpiffeId, CallerRate>;
  /** How many callers are told apart at the same time; those above it share one rate. */
  readonly maxCallers: number;
}

/**
 * Limits the requests of each caller, by its proved SPIFFE ID. Holds at most `maxCallers` records:
 * one whose bucket is full again is forgotten first, because a new one would be equal to it.
 */
export class CallerRates {
  readonly #clock: Clock;
  readonly #settings: CallerRateSettings;
  /** In the order of their last use. */
  readonly #buckets = new Map<SpiffeId, { readonly bucket: TokenBucket; readonly burst: number }>();
  readonly #shared: TokenBucket;

  constructor(clock: Clock, settings: CallerRateSettings) {
    this.#clock = clock;
    this.#settings = settings;
    this.#shared = bucketOf(clock, settings);
  }

  /** Takes one request of this caller; returns 0, or the milliseconds until the next is allowed. */
  take(caller: SpiffeId): number {
    const bucket = this.#bucketOf(caller);
    return bucket.take() ? 0 : Math.max(1, bucket.waitMs());
  }

  #bucketOf(caller: SpiffeId): TokenBucket {
    const known = this.#buckets.get(caller);
    if (known) {
      this.#buckets.delete(caller);
      this.#buckets.set(caller, known);
      return known.bucket;
    }
    if (this.#buckets.size >= this.#settings.maxCallers && !this.#forgetOne()) return this.#shared;
    const rate = this.#settings.callers.get(caller) ?? this.#settings;
    const bucket = bucketOf(this.#clock, rate);
    this.#buckets.set(caller, { bucket, burst: rate.burst });
    return bucket;
  }

  #forgetOne(): boolean {
    const [oldest] = this.#buckets;
    if (!oldest) return false;
    const [caller, { bucket, burst }] = oldest;
    if (bucket.tokens < burst) return false;
    return this.#buckets.delete(caller);
  }
}

function bucketOf(clock: Clock, { requestsPerSecond, burst }: CallerRate): TokenBucket {
  return new TokenBucket(clock, { most: burst, everyMs: 1000 / requestsPerSecond });
}
