import type { Clock } from '../src/platform/index.ts';
import { until } from './until.ts';

/** A clock that stands still until it is moved; sleepers wake in the order of their instants. */
export class TestClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  readonly #sleepers = new Set<{ at: number; wake: () => void }>();

  constructor(start: Date) {
    this.#nowMs = start.getTime();
    this.#startMs = this.#nowMs;
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const sleeper = {
        at: this.#nowMs + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** How long each present sleeper still means to wait, in milliseconds, shortest first. */
  waits(): number[] {
    return [...this.#sleepers].map((sleeper) => sleeper.at - this.#nowMs).sort((a, b) => a - b);
  }

  /** Resolves once at least `count` sleepers wait, giving pending work its turns. */
  async untilSleeping(count = 1): Promise<number[]> {
    await until(() => this.#sleepers.size >= count, `${count} sleepers`);
    return this.waits();
  }

  /** Moves time on by `ms`, waking those whose instant has come, and lets them run. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#sleepers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.wake();
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#nowMs = end;
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}
