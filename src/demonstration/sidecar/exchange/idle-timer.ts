import { type Clock, pause } from '../../../platform/index.ts';

/** Calls back once when nothing has touched it for `ms` milliseconds. */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #stopped = new AbortController();
  #touchedMs: number;

  constructor(clock: Clock, ms: number, expire: () => void) {
    this.#clock = clock;
    this.#touchedMs = clock.monotonicMs();
    void this.#watch(ms, expire);
  }

  /** Starts the time again. */
  touch(): void {
    this.#touchedMs = this.#clock.monotonicMs();
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #watch(ms: number, expire: () => void): Promise<void> {
    let left = ms;
    while (await pause(this.#clock, left, this.#stopped.signal)) {
      left = this.#touchedMs + ms - this.#clock.monotonicMs();
      if (left > 0) continue;
      expire();
      return;
    }
  }
}
