/**
 * Hands the newest value from who finds it to who iterates; values that were overtaken are left
 * out.
 */
export class Latest<Value> {
  #value: Value | undefined;
  #wake: (() => void) | undefined;

  set(value: Value): void {
    this.#value = value;
    this.#wake?.();
  }

  /** The values from now on, until the signal aborts. For one reader. */
  async *values(signal: AbortSignal): AsyncGenerator<Value, void> {
    const wake = () => this.#wake?.();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        const value = this.#value;
        this.#value = undefined;
        if (value !== undefined) yield value;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }
}
