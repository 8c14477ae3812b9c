import { type Clock, pause } from '../../platform/index.ts';

/** Brisk polls, and those of peers that keep us waiting: each has room of its own. */
export type PollLane = 'brisk' | 'slow';

/** How many polls run at once. */
export interface PollSlotSettings {
  /** Polls that have only just begun. */
  readonly brisk: number;
  /**
   * Polls that wait for their endpoint for longer than `briskMs`: a connection and a few kilobytes
   * each, and no work.
   */
  readonly slow: number;
  /** Milliseconds a poll counts as brisk. */
  readonly briskMs: number;
  readonly clock: Clock;
}

/**
 * Longer than any honest endpoint nearby takes; one at the other end of the world is slow, which
 * costs it nothing.
 */
const BRISK_MS = 500;
/** Slow polls to each brisk one. At the default of 64 brisk ones they are 512, and about 40 MB. */
const SLOW_TO_ONE_BRISK = 8;

/**
 * The settings for so many brisk polls. Throws `RangeError` unless `brisk` is a positive whole
 * number.
 */
export function pollSlotSettings(brisk: number, clock: Clock): PollSlotSettings {
  if (!Number.isSafeInteger(brisk) || brisk < 1)
    throw new RangeError(`the number of concurrent polls is a positive whole number, not ${brisk}`);
  return { brisk, slow: brisk * SLOW_TO_ONE_BRISK, briskMs: BRISK_MS, clock };
}

interface Running {
  lane: PollLane;
  readonly sinceMs: number;
}

/** For a watch that is given up: an error with a stack for each would cost more than the watch. */
const GIVEN_UP = new Error('the wait for a slot has ended');

/**
 * Limits how many polls run at once; each lane serves in order of arrival. A poll that has had a
 * brisk slot for `briskMs` gives it up while another poll waits for one, and continues in the slow
 * lane. A peer that was slow last time begins there. So silent peers wait for each other, and
 * honest peers do not wait for them (invariant 7).
 */
export class PollSlots {
  readonly #settings: PollSlotSettings;
  readonly #free: Record<PollLane, number>;
  readonly #waiting: Readonly<Record<PollLane, Set<() => void>>> = { brisk: new Set(), slow: new Set() };
  /** Polls in brisk slots, in the order in which they got them. */
  readonly #brisk = new Set<Running>();
  #watch: AbortController | undefined;

  constructor(settings: PollSlotSettings) {
    this.#settings = settings;
    this.#free = { brisk: settings.brisk, slow: settings.slow };
  }

  /**
   * Runs `work` once a slot of `lane` is free, and calls `ended` with the lane it belongs in:
   * `slow` when it took `briskMs` or longer. Rejects with what `work` rejects with, or with the
   * signal's reason when it aborts while waiting.
   */
  async use<Result>(
    lane: PollLane,
    signal: AbortSignal,
    work: () => Promise<Result>,
    ended: (lane: PollLane) => void = () => {},
  ): Promise<Result> {
    signal.throwIfAborted();
    const running = await this.#take(lane, signal);
    try {
      return await work();
    } finally {
      const { clock, briskMs } = this.#settings;
      ended(clock.monotonicMs() - running.sinceMs < briskMs ? 'brisk' : 'slow');
      this.#brisk.delete(running);
      this.#free[running.lane] += 1;
      this.#handOut();
    }
  }

  #take(lane: PollLane, signal: AbortSignal): Promise<Running> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting[lane];
      const onAbort = () => {
        waiting.delete(wake);
        this.#handOut();
        reject(signal.reason);
      };
      const wake = () => {
        signal.removeEventListener('abort', onAbort);
        resolve(this.#start(lane));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      waiting.add(wake);
      this.#handOut();
    });
  }

  #start(lane: PollLane): Running {
    const running: Running = { lane, sinceMs: this.#settings.clock.monotonicMs() };
    this.#free[lane] -= 1;
    if (lane === 'brisk') this.#brisk.add(running);
    return running;
  }

  /**
   * Gives free slots to the polls that wait longest. A poll that gives up a brisk slot is first in
   * the slow lane.
   */
  #handOut(): void {
    this.#wake('brisk');
    for (;;) {
      const [oldest] = this.#brisk;
      if (!oldest || !this.#isWanted() || this.#leftMs(oldest) > 0) break;
      this.#brisk.delete(oldest);
      oldest.lane = 'slow';
      this.#free.slow -= 1;
      this.#free.brisk += 1;
      this.#wake('brisk');
    }
    this.#wake('slow');
    this.#mind();
  }

  #wake(lane: PollLane): void {
    const waiting = this.#waiting[lane];
    while (this.#free[lane] > 0) {
      const [next] = waiting;
      if (!next) return;
      waiting.delete(next);
      next();
    }
  }

  /**
   * Whether a poll waits for a brisk slot, and the slow lane has room for the poll that would give
   * one up.
   */
  #isWanted(): boolean {
    return this.#waiting.brisk.size > 0 && this.#free.slow > 0;
  }

  #leftMs({ sinceMs }: Running): number {
    return sinceMs + this.#settings.briskMs - this.#settings.clock.monotonicMs();
  }

  /**
   * Sleeps until the oldest brisk poll is none any more, but only while that matters: thousands of
   * polls need no timer.
   */
  #mind(): void {
    const [oldest] = this.#brisk;
    if (!oldest || !this.#isWanted()) {
      this.#watch?.abort(GIVEN_UP);
      this.#watch = undefined;
      return;
    }
    if (this.#watch) return; // for an older poll, so it wakes no later than this one needs
    const { clock } = this.#settings;
    const watch = new AbortController();
    this.#watch = watch;
    void pause(clock, this.#leftMs(oldest), watch.signal).then((isDue) => {
      if (!isDue || this.#watch !== watch) return;
      this.#watch = undefined;
      this.#handOut();
    });
  }
}
