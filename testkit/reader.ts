import { main } from '../src/cli/main.ts';
import type { Outlet, Screen } from '../src/cli/outlet.ts';
import { type Clock, type Environment, systemClock } from '../src/platform/index.ts';

/** Who reads the command's output in a test. */
interface ReaderOptions {
  /** Width of a terminal on standard output; without it, standard output is a pipe. */
  readonly columns?: number;
  readonly rows?: number;
  /** Width of a terminal on standard error. */
  readonly errColumns?: number;
  readonly environment?: Environment;
  readonly offsetMinutes?: (at: Date) => number;
  readonly clock?: Clock;
}

/** What the command wrote for a reader: lines of both streams, and what was drawn on the terminals. */
export class TestReader {
  readonly out: string[] = [];
  readonly err: string[] = [];
  readonly drawn: string[] = [];
  readonly errDrawn: string[] = [];
  readonly #outlet: Outlet;
  readonly #clock: Clock;
  readonly #ends = new Set<() => void>();

  constructor({
    columns,
    rows = 50,
    errColumns,
    environment,
    offsetMinutes,
    clock = systemClock,
  }: ReaderOptions = {}) {
    this.#clock = clock;
    const screen = (width: number | undefined, written: string[]): Screen | undefined =>
      width === undefined ? undefined : { columns: width, rows, write: (text) => void written.push(text) };
    this.#outlet = {
      out: (text) => void this.out.push(text),
      err: (text) => void this.err.push(text),
      screen: screen(columns, this.drawn),
      errScreen: screen(errColumns, this.errDrawn),
      ...(environment && { environment }),
      ...(offsetMinutes && { offsetMinutes }),
      onInterrupt: (end) => {
        this.#ends.add(end);
        return () => this.#ends.delete(end);
      },
    };
  }

  /** Runs `federate` with these words; gives the exit code. */
  run(...words: readonly string[]): Promise<number> {
    return main(words, this.#outlet, this.#clock);
  }

  /** What SIGINT does. */
  interrupt(): void {
    for (const end of this.#ends) end();
  }

  /** How many listeners wait for an interruption. */
  get listening(): number {
    return this.#ends.size;
  }
}
