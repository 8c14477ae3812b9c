/**
 * Runs one piece of work after the other, in the order of the calls. One that fails stops none
 * after it.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** The result of `work`, which begins when everything before it has ended. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Resolves when all work that was given has ended. */
  async settled(): Promise<void> {
    await this.#last;
  }
}
