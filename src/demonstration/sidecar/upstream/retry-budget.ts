import type { Clock } from '../../../platform/index.ts';

const SLOT_MS = 1000;
const SLOTS = 10;

/** How many retries there may be. */
export interface BudgetSettings {
  /** Retries for each request of the last ten seconds. */
  readonly ratio: number;
  /** So many a second in any case, so that a service with few requests has retries too. */
  readonly minPerSecond: number;
}

/**
 * Limits retries to a share of the requests of the last ten seconds. A service that fails for all
 * callers would otherwise get several times the requests that it already cannot answer.
 */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #settings: BudgetSettings;
  readonly #slots = Array.from({ length: SLOTS }, () => ({ at: -1, requests: 0, retries: 0 }));

  constructor(clock: Clock, settings: BudgetSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Notes a first attempt. */
  noteRequest(): void {
    this.#slot().requests += 1;
  }

  /** Takes one retry; false when the budget is used up. */
  take(): boolean {
    const { ratio, minPerSecond } = this.#settings;
    const slot = this.#slot();
    const recent = this.#slots.filter(({ at }) => at > slot.at - SLOTS);
    const requests = recent.reduce((sum, each) => sum + each.requests, 0);
    const retries = recent.reduce((sum, each) => sum + each.retries, 0);
    if (retries + 1 > requests * ratio + minPerSecond * SLOTS) return false;
    slot.retries += 1;
    return true;
  }

  /** The slot of this second, emptied where it was that of ten seconds ago. */
  #slot(): { at: number; requests: number; retries: number } {
    const at = Math.floor(this.#clock.monotonicMs() / SLOT_MS);
    const slot = this.#slots[at % SLOTS];
    if (!slot) throw new TypeError('unreachable: a remainder is an index');
    if (slot.at !== at) Object.assign(slot, { at, requests: 0, retries: 0 });
    return slot;
  }
}
