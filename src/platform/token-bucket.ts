import type { Clock } from './clock.ts';

/** How much a bucket holds, and how quickly it fills. */
export interface TokenBucketSettings {
  /** Tokens of a full bucket; a bucket begins full. */
  readonly most: number;
  /** Milliseconds until one more token is added. */
  readonly everyMs: number;
}

/**
 * Allows a burst, and after that a steady rate. Time comes from the clock when the bucket is asked,
 * so no timer runs.
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #settings: TokenBucketSettings;
  #tokens: number;
  #countedMs: number;

  /** Throws `RangeError` unless both settings are above zero. */
  constructor(clock: Clock, settings: TokenBucketSettings) {
    if (!(settings.most > 0) || !(settings.everyMs > 0))
      throw new RangeError('a token bucket holds more than 0 tokens and fills in more than 0 ms');
    this.#clock = clock;
    this.#settings = settings;
    this.#tokens = settings.most;
    this.#countedMs = clock.monotonicMs();
  }

  /** The tokens that are available now; not always a whole number. */
  get tokens(): number {
    const { most, everyMs } = this.#settings;
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(most, this.#tokens + (nowMs - this.#countedMs) / everyMs);
    this.#countedMs = nowMs;
    return this.#tokens;
  }

  /**
   * Takes `cost` tokens, or none where there are fewer. A cost above `most` counts as `most`, so
   * that it is payable.
   */
  take(cost = 1): boolean {
    const asked = Math.min(cost, this.#settings.most);
    if (this.tokens < asked) return false;
    this.#tokens -= asked;
    return true;
  }

  /** Milliseconds until `take(cost)` succeeds; 0 when it would now. */
  waitMs(cost = 1): number {
    const missing = Math.min(cost, this.#settings.most) - this.tokens;
    return missing <= 0 ? 0 : Math.ceil(missing * this.#settings.everyMs);
  }
}
