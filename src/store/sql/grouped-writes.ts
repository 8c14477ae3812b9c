interface WaitingWrite {
  readonly work: () => unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Small writes that are asked for in the same turn of the event loop, carried out in one
 * transaction at its end: a sync of the disk costs more than all of them. Each is told when it is
 * written, and none before.
 */
export class GroupedWrites {
  readonly #inTransaction: (work: () => unknown) => unknown;
  #waiting: WaitingWrite[] = [];

  /** `inTransaction` runs its work at once, as one transaction, and throws what the work throws. */
  constructor(inTransaction: (work: () => unknown) => unknown) {
    this.#inTransaction = inTransaction;
  }

  /**
   * Resolves with what `work` gives once it is written. Rejects with what it throws; others of its
   * group are not touched by that.
   */
  add<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.flush());
      this.#waiting.push({ work, resolve, reject });
    });
  }

  /**
   * Writes now what waits. To be called before any other write, so that writes happen in the order
   * in which they were asked for.
   */
  flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length === 0) return;
    let results: unknown[];
    try {
      results = this.#inTransaction(() => group.map(({ work }) => work())) as unknown[];
    } catch {
      // One of them, or the disk: each is tried by itself, so that each hears of its own failure
      // only.
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
