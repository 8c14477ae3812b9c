/**
 * At most so many polls at once, first come first served: one silent peer costs one slot for a bounded time and
 * nobody is overtaken (design, invariant 7).
 */
export class PollSlots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  /** Throws `RangeError` unless `count` is a positive whole number. */
  constructor(count: number) {
    if (!Number.isSafeInteger(count) || count < 1)
      throw new RangeError(`the number of concurrent polls is a positive whole number, not ${count}`);
    this.#free = count;
  }

  /** Runs `work` once a slot is free. Rejects with the signal's reason when it aborts while waiting. */
  async use<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    await this.#take(signal);
    try {
      return await work();
    } finally {
      this.#give();
    }
  }

  #take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(wake);
        reject(signal.reason);
      };
      const wake = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(wake);
    });
  }

  /** Hands the slot straight to the one who waits longest, so that no newcomer takes it in between. */
  #give(): void {
    const [next] = this.#waiting;
    if (!next) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
