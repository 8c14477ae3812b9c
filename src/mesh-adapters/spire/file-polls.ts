import type { Clock } from '../../platform/index.ts';
import type { SpireServer } from './spire-server.ts';

/** A restart that is over before it is noticed may have brought another configuration file. */
const VALID_MS = 600_000;

/**
 * Which trust domains SPIRE polls because its configuration file says so (`federates_with`). No
 * list has them; SPIRE tells only when it is asked to poll one now, and logs each such question
 * that it denies. So it is asked once in ten minutes, and before anything is written. The file is
 * read at SPIRE's start, which mostly shows in that it does not answer.
 */
export class FilePolls {
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly polled: boolean; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Those that were found when they were last asked for. */
  get found(): ReadonlySet<string> {
    return new Set([...this.#known].filter(([, { polled }]) => polled).map(([name]) => name));
  }

  /**
   * Asks for those that are not known to be free, and for those that are to be asked for `again`.
   * Throws `MeshAdapterError`.
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

  /** SPIRE may have begun anew. */
  forget(): void {
    this.#known.clear();
  }
}
