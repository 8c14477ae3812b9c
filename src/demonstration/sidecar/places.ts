/** A limited number of places. */
export class Places {
  readonly most: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(most: number) {
    this.most = most;
  }

  /** Takes a place; returns how to give it back, or undefined when all are taken. */
  take(): (() => void) | undefined {
    if (this.#taken >= this.most) return undefined;
    this.#taken += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#taken -= 1;
      const [next] = this.#waiting;
      next?.();
    };
  }

  /** As `take`, but waits in line. Rejects with the signal's reason when it aborts first. */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const leave = this.#waiting.size === 0 ? this.take() : undefined;
    if (leave) return leave;
    return await new Promise((resolve, reject) => {
      const stop = () => {
        this.#waiting.delete(onTurn);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        stop();
        reject(signal.reason);
      };
      const onTurn = () => {
        const taken = this.take();
        if (!taken) return;
        stop();
        resolve(taken);
      };
      this.#waiting.add(onTurn);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
