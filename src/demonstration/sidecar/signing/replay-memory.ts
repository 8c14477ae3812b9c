import type { Clock } from '../../../platform/index.ts';

/** How often a full memory is searched for what may be forgotten. */
const SWEEP_MS = 1000;

interface Nonces {
  readonly until: Map<string, number>;
  sweptMs: number;
}

/**
 * Remembers the nonces of each key until their signatures have expired. Bounded for each key, so
 * that no signer takes the memory of another.
 */
export class ReplayMemory {
  readonly #clock: Clock;
  readonly #mostPerKey: number;
  readonly #keys = new Map<string, Nonces>();

  constructor(clock: Clock, mostPerKey: number) {
    this.#clock = clock;
    this.#mostPerKey = mostPerKey;
  }

  /**
   * Remembers a nonce of a known key until that instant, in milliseconds of the wall clock. `seen`:
   * it was remembered already. `full`: it cannot be remembered, so the request must not pass.
   */
  remember(keyId: string, nonce: string, untilMs: number): 'new' | 'seen' | 'full' {
    const nonces = this.#keys.get(keyId) ?? { until: new Map(), sweptMs: Number.NEGATIVE_INFINITY };
    this.#keys.set(keyId, nonces);
    if (nonces.until.has(nonce)) return 'seen';
    if (nonces.until.size >= this.#mostPerKey) this.#sweep(nonces);
    if (nonces.until.size >= this.#mostPerKey) return 'full';
    nonces.until.set(nonce, untilMs);
    return 'new';
  }

  #sweep(nonces: Nonces): void {
    const nowMs = this.#clock.now().getTime();
    if (Math.abs(nowMs - nonces.sweptMs) < SWEEP_MS) return;
    nonces.sweptMs = nowMs;
    for (const [nonce, untilMs] of nonces.until) if (untilMs < nowMs) nonces.until.delete(nonce);
  }
}
