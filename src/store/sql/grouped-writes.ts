interface WaitingWrite {
  readonly work: () => unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Carries out small writes of one turn of the event loop in one transaction at its end. A sync of
 * the disk costs more than all of them. Each write resolves only when it is on the disk.
 */
export class GroupedWrites {
  readonly #inTransaction: (work: () => unknown) => unknown;
  #waiting: WaitingWrite[] = [];

  /** `inTransaction` runs its work at once, as one transaction, and throws what the work throws. */
  constructor(inTransaction: (work: () => unknown) => unknown) {
    this.#inTransaction = inTransaction;
  }

  /**
   * Resolves with the result of `work` once it is written. Rejects with what it throws; that does
   * not affect others of its group.
   */
  add<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.flush());
      this.#waiting.push({ work, resolve, reject });
    });
  }

  /**
   * Performs the waiting writes now. Call this before any other write, so that writes happen in the
   * order of their requests.
   */
  flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length === 0) return;
    let results: unknown[];
    try {
      results = this.#inTransaction(() => group.map(({ work }) => work())) as unknown[];
    } catch {
      // One of them failed, or the disk did. Each is tried again alone, so that each gets only its
      // own failure.
      for (const each of group) this.#alone(each);
      return;
    }
    for (const [index, { resolve }] of group.entries()) resolve(results[index] as never);
  }

  #alone({ work, resolve, reject }: WaitingWrite): void {
    try {
      resolve(this.#inTransaction(work) as never);
    } catch (error) {
      reject(error);
    }
  }
}
