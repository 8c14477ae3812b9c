import { addressGroup, type Clock } from '../../platform/index.ts';

const WINDOW_MS = 60_000;
/**
 * Addresses that are remembered; with more, all wait for the next minute rather than none being
 * counted.
 */
const MAX_ADDRESSES = 10_000;

/** Counts costly work per address and minute; an IPv6 network of 64 bits counts as one address. */
export class RecentWork {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #counts = new Map<string, number>();
  #sinceMs: number;

  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
    this.#sinceMs = clock.monotonicMs();
  }

  /** Whether this address may cause the work once more; counts it when it may. */
  allows(address: string): boolean {
    const now = this.#clock.monotonicMs();
    if (now - this.#sinceMs >= WINDOW_MS) {
      this.#counts.clear();
      this.#sinceMs = now;
    }
    const group = addressGroup(address);
    const count = this.#counts.get(group) ?? 0;
    if (count >= this.#most || (count === 0 && this.#counts.size >= MAX_ADDRESSES)) return false;
    this.#counts.set(group, count + 1);
    return true;
  }
}
