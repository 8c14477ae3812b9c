import type { Clock } from '../platform/index.ts';
import type { CallOutcome, Meshes } from './meshes.ts';

/** What became of the calls while something else went on. */
export interface TrafficReport {
  readonly calls: number;
  readonly failed: number;
  /** The first few reasons, for the story. */
  readonly failures: readonly string[];
}

/** Calls info from backend again and again until it is stopped, and counts every single one. */
export class Traffic {
  readonly #meshes: Meshes;
  readonly #clock: Clock;
  readonly #failures: string[] = [];
  #calls = 0;
  #failed = 0;
  #running = true;
  readonly #done: Promise<void>;

  constructor(meshes: Meshes, clock: Clock, everyMs = 20) {
    this.#meshes = meshes;
    this.#clock = clock;
    this.#done = this.#run(everyMs);
  }

  get calls(): number {
    return this.#calls;
  }

  /** Ends after the call in flight. */
  async stop(): Promise<TrafficReport> {
    this.#running = false;
    await this.#done;
    return { calls: this.#calls, failed: this.#failed, failures: this.#failures };
  }

  async #run(everyMs: number): Promise<void> {
    while (this.#running) {
      let outcome: CallOutcome | undefined;
      let failure: string | undefined;
      try {
        outcome = await this.#meshes.call();
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error);
      }
      this.#calls += 1;
      if (outcome?.remark === undefined) {
        this.#failed += 1;
        failure ??= `${outcome?.missing?.message ?? 'no answer'} [${outcome?.missing?.code ?? '-'}]`;
        if (this.#failures.length < 5) this.#failures.push(failure);
      }
      await this.#clock.sleep(everyMs);
    }
  }
}
