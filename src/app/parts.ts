import { describeError, type Log } from '../platform/index.ts';
import type { RunningPart } from './process.ts';

/** One part of a process, built and connected. */
export interface Part {
  /** What the log calls it. */
  readonly name: string;
  /** Begins to serve or to change. Left out: the part only has to be stopped. */
  start?(): Promise<void> | void;
  /** Ends the part. Must also work after a `start` that failed half way. */
  stop?(): Promise<void> | void;
}

/**
 * The parts of a process in the order in which they start; they stop in the opposite order. All of them are built and connected
 * before the first one starts, so no change that one of them makes can be missed by another.
 */
export class Parts implements RunningPart {
  readonly #parts: readonly Part[];
  readonly #log: Log;
  readonly #begun: Part[] = [];
  #stopped: Promise<void> | undefined;
  #busyWith: string | undefined;

  constructor(parts: readonly Part[], log: Log) {
    this.#parts = parts;
    this.#log = log;
  }

  /** The part that is being started or stopped now. */
  get busyWith(): string | undefined {
    return this.#busyWith;
  }

  /** Starts each part after the one before it. When a part fails, stops those that have begun, that part included, and rejects with its error. */
  async start(): Promise<void> {
    try {
      for (const part of this.#parts) {
        if (this.#stopped) return;
        this.#begun.push(part);
        this.#busyWith = part.name;
        await part.start?.();
      }
      this.#busyWith = undefined;
    } catch (error) {
      // Whoever called `stop` during the start hears from `stop` how it ended.
      if (this.#stopped) return;
      await this.stop().catch(() => {
        // Each part that could not stop is in the log; the error of the start is the one to report.
      });
      throw error;
    }
  }

  /** Stops what has begun. A part that fails does not keep the others; rejects with the first error after all of them. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const part of this.#begun.splice(0).reverse()) {
      this.#busyWith = part.name;
      try {
        await part.stop?.();
      } catch (error) {
        this.#log.error('a part could not be stopped', { of: part.name, error: describeError(error) });
        failures.push(error);
      }
    }
    this.#busyWith = undefined;
    if (failures.length > 0) throw failures[0];
  }
}

/** Something that runs as a part. */
export function partOf(name: string, running: Required<Pick<Part, 'start' | 'stop'>>): Part {
  return { name, start: () => running.start(), stop: () => running.stop() };
}
