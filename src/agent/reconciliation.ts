import { type Clock, type Log, type Metrics, pause } from '../platform/index.ts';

/** How often what is served is compared with what is trusted. */
const EVERY_MS = 60_000;

/** Something that is served. */
export interface Served {
  readonly name: string;
  /** Compares it with what is trusted now, and corrects it. Gives true when it was different. */
  correct(): boolean | Promise<boolean>;
}

/**
 * Compares what is served with what is trusted, at a slow interval, as long as the agent runs.
 * Changes are announced when they happen. This corrects the effects of an announcement that was
 * lost or that failed.
 */
export class Reconciliation {
  readonly #served: readonly Served[];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #corrected: { inc(labels: { part: string }): void };
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    served: readonly Served[],
    { clock, log, metrics }: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
  ) {
    this.#served = served;
    this.#clock = clock;
    this.#log = log;
    this.#corrected = metrics.counter(
      'federate_corrections_total',
      'Times that a slow comparison found something served that was not what is trusted',
      ['part'],
    );
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Compares everything once. Never rejects. */
  async compare(): Promise<void> {
    for (const each of this.#served) {
      const { name } = each;
      try {
        if (!(await each.correct())) continue;
        this.#corrected.inc({ part: name });
        this.#log.warn('what was served was not what is trusted, and was corrected', { of: name });
      } catch (error) {
        this.#log.error('what is served could not be compared with what is trusted', {
          of: name,
          error,
        });
      }
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (await pause(this.#clock, EVERY_MS, signal)) await this.compare();
  }
}
