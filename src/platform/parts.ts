import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { within } from './within.ts';

/** Something that runs until it is stopped. */
export interface RunningPart {
  /** Ends it within the limits of its config; nothing acknowledged is lost. */
  stop(): Promise<void>;
}

/** One part of a process, built and connected. */
export interface Part {
  /** Its name in the log. */
  readonly name: string;
  /**
   * Begins to serve or to change. Left out: what the part is made of is open already, and only has
   * to be stopped.
   */
  start?(): Promise<void> | void;
  /** Ends the part. Must also work after a `start` that failed half way. */
  stop?(): Promise<void> | void;
  /** How long `stop` may take; left out: 8 s. After that the next part is stopped. */
  readonly stopWithinMs?: number;
}

const STOP_WITHIN_MS = 8000;

/** A part of the process took too long to stop. */
class SlowPartError extends Error {
  readonly code = 'part-did-not-stop';
}

/**
 * The parts of a process in the order in which they start; they stop in the opposite order. All of
 * them are built and connected before the first one starts, so no change that one of them makes can
 * be missed by another.
 */
export class Parts implements RunningPart {
  readonly #parts: readonly Part[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #begun = new Set<Part>();
  #stopped: Promise<void> | undefined;
  #busyWith: string | undefined;

  constructor(parts: readonly Part[], { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#parts = parts;
    this.#clock = clock;
    this.#log = log;
    for (const part of parts) if (!part.start) this.#begun.add(part);
  }

  /** The part that is being started or stopped now. */
  get busyWith(): string | undefined {
    return this.#busyWith;
  }

  /** How long `stop` takes at most where all is well but for one part. */
  get stopWithinMs(): number {
    return Math.max(0, ...this.#parts.map(({ stopWithinMs = STOP_WITHIN_MS }) => stopWithinMs));
  }

  /**
   * Starts each part after the one before it. When a part fails, stops those that have begun, that
   * part included, and rejects with its error.
   */
  async start(): Promise<void> {
    try {
      for (const part of this.#parts) {
        if (this.#stopped) return;
        if (!part.start) continue;
        this.#begun.add(part);
        this.#busyWith = part.name;
        await part.start();
      }
      if (!this.#stopped) this.#busyWith = undefined;
    } catch (error) {
      // A caller of `stop` during the start learns the outcome from `stop`.
      if (this.#stopped) return;
      // Each part that could not stop is in the log; the error of the start is the one to report.
      await this.stop().catch(() => {});
      throw error;
    }
  }

  /**
   * Stops the started parts. A part that fails, or takes too long, does not stop the others from
   * stopping; rejects with the first error after all of them.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const part of this.#parts.toReversed()) {
      if (!this.#begun.has(part)) continue;
      this.#busyWith = part.name;
      try {
        await this.#stopOne(part);
      } catch (error) {
        this.#log.error('a part could not be stopped', { of: part.name, error });
        failures.push(error);
      }
    }
    this.#busyWith = undefined;
    if (failures.length > 0) throw failures[0];
  }

  async #stopOne(part: Part): Promise<void> {
    const { name, stopWithinMs = STOP_WITHIN_MS } = part;
    const stop = async () => {
      await part.stop?.();
      return true;
    };
    const hasStopped = await within(this.#clock, stopWithinMs, stop);
    if (!hasStopped) throw new SlowPartError(`${name} did not stop within ${stopWithinMs} ms`);
  }
}

/** Something that runs as a part. */
export function partOf(name: string, running: Required<Pick<Part, 'start' | 'stop'>>): Part {
  return { name, start: () => running.start(), stop: () => running.stop() };
}
