import type { Clock } from '../../platform/index.ts';
import type { SpireServer } from './spire-server.ts';

/** A short restart between two polls may have changed the configuration file. */
const VALID_MS = 600_000;

/**
 * Finds out which trust domains SPIRE polls because of its configuration file (`federates_with`).
 * SPIRE lists them nowhere. It shows one only when it is asked to poll it now, and logs each such
 * request that it denies. So the agent asks once in ten minutes, and before each write. SPIRE reads
 * the file at its start, which mostly shows as a time without answers.
 */
export class FilePolls {
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly polled: boolean; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The trust domains found at the last request. */
  get found(): ReadonlySet<string> {
    return new Set([...this.#known].filter(([, { polled }]) => polled).map(([name]) => name));
  }

  /**
   * Asks about those that are not known to be free, and about those in `again`. Throws
   * `MeshAdapterError`.
   */
  async ask(server: SpireServer, questions: ReadonlyMap<string, 'once' | 'again'>): Promise<void> {
    for (const [name, when] of questions) {
      const known = this.#known.get(name);
      const free = known?.polled === false && this.#clock.monotonicMs() < known.untilMs;
      if (free && when === 'once') continue;
      const polled = (await server.refresh(name)).kind !== 'not-polled';
      this.#known.set(name, { polled, untilMs: this.#clock.monotonicMs() + VALID_MS });
    }
  }

  /** SPIRE may have restarted. */
  forget(): void {
    this.#known.clear();
  }
}
