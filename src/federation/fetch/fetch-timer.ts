import { type Clock, pause } from '../../platform/index.ts';

interface Phase {
  readonly endMs: number;
  readonly late: () => Error;
}

/** For waits that are given up: an error with a stack for each would cost more than the wait. */
const OVER = new Error('the wait is over');

/**
 * The time one fetch has: phases within phases, each with its own limit, over one signal for
 * everything the fetch does. One sleeper serves them all, since thousands of fetches end long
 * before any of their limits.
 */
export class FetchTimer {
  readonly #clock: Clock;
  readonly #outer: AbortSignal;
  readonly #controller = new AbortController();
  readonly #phases = new Set<Phase>();
  #sleep: { readonly untilMs: number; readonly controller: AbortController } | undefined;
  #runs = false;
  #closed = false;

  /** `signal` calls the whole fetch off. */
  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#outer = signal;
    if (signal.aborted) this.#onOuter();
    else signal.addEventListener('abort', this.#onOuter, { once: true });
  }

  /**
   * Aborts with the error of the limit that was passed, or with the reason of the signal that
   * called the fetch off.
   */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Runs `work`, and aborts `signal` with `late()` when it takes longer than `ms` milliseconds.
   * `work` must end when the signal aborts: it owns the sockets that have to be closed. Rejects
   * with the signal's reason then, whatever an aborted socket or parser says about it.
   */
  async within<Result>(ms: number, late: () => Error, work: () => Promise<Result>): Promise<Result> {
    this.signal.throwIfAborted();
    const phase: Phase = { endMs: this.#clock.monotonicMs() + ms, late };
    this.#phases.add(phase);
    this.#watch(phase);
    try {
      const result = await work();
      this.signal.throwIfAborted();
      return result;
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error;
    } finally {
      this.#phases.delete(phase);
    }
  }

  /** Ends the watch. */
  close(): void {
    this.#closed = true;
    this.#outer.removeEventListener('abort', this.#onOuter);
    this.#sleep?.controller.abort(OVER);
  }

  readonly #onOuter = () => this.#controller.abort(this.#outer.reason);

  #watch({ endMs }: Phase): void {
    if (this.#sleep) {
      if (endMs < this.#sleep.untilMs) this.#sleep.controller.abort(OVER);
      return;
    }
    if (this.#runs) return;
    this.#runs = true;
    // Not at once: the first phase has a shorter one in it, and one sleep will do for both.
    queueMicrotask(() => void this.#run());
  }

  /**
   * Sleeps until the next limit, as long as there is one. Limits that were kept in time are removed
   * before that.
   */
  async #run(): Promise<void> {
    while (!this.#closed && !this.signal.aborted) {
      let next: Phase | undefined;
      for (const phase of this.#phases) if (!next || phase.endMs < next.endMs) next = phase;
      if (!next) break;
      const leftMs = next.endMs - this.#clock.monotonicMs();
      if (leftMs <= 0) {
        this.#controller.abort(next.late());
        return;
      }
      const controller = new AbortController();
      this.#sleep = { untilMs: next.endMs, controller };
      // Closed, or a nearer limit came.
      await pause(this.#clock, leftMs, controller.signal);
      this.#sleep = undefined;
    }
    this.#runs = false;
  }
}
