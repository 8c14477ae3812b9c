/** Called at each change, with what has changed. */
type Listener<Change extends readonly unknown[]> = (...change: Change) => void;

/**
 * The functions that follow the changes of one thing. `onError` receives what a listener throws, and
 * the other listeners are still called. Without it the error ends `notify` and reaches its caller.
 */
export class Listeners<Change extends readonly unknown[] = []> {
  readonly #all = new Set<Listener<Change>>();
  readonly #onError: ((error: unknown, ...change: Change) => void) | undefined;

  constructor(onError?: (error: unknown, ...change: Change) => void) {
    this.#onError = onError;
  }

  /** Calls `listener` at each change, until the returned function is called. */
  readonly add = (listener: Listener<Change>): (() => void) => {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  };

  /** Calls every listener, in the order in which they were added. */
  notify(...change: Change): void {
    for (const listener of this.#all) {
      try {
        listener(...change);
      } catch (error) {
        if (!this.#onError) throw error;
        this.#onError(error, ...change);
      }
    }
  }
}
