import { until } from './until.ts';

/** One call after the other until it is stopped, and how many of them failed. */
export class Steady implements AsyncDisposable {
  readonly #done: Promise<void>;
  #running = true;
  #calls = 0;
  #failed = 0;

  constructor(call: () => Promise<boolean>) {
    this.#done = (async () => {
      while (this.#running) {
        if (!(await call())) this.#failed += 1;
        this.#calls += 1;
      }
    })();
  }

  /** Resolves after that many further calls. */
  async more(calls: number): Promise<void> {
    const goal = this.#calls + calls;
    await until(`${calls} more calls`, () => this.#calls >= goal);
  }

  /** Ends it; how many failed of all. */
  async stop(): Promise<number> {
    this.#running = false;
    await this.#done;
    return this.#failed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
