import type { SpireServer } from './spire-server.ts';

/**
 * Which trust domains SPIRE polls because its configuration file says so (`federates_with`). No list has them; SPIRE tells only
 * when it is asked to poll one now, and logs each such question that it denies. So it is asked once, and again before
 * anything is written. The file is read at SPIRE's start, which ends our connection to it.
 */
export class FilePolls {
  readonly #known = new Map<string, boolean>();

  /** Those that were found when they were last asked for. */
  get found(): ReadonlySet<string> {
    return new Set([...this.#known].filter(([, polled]) => polled).map(([name]) => name));
  }

  /** Asks for those that are not known to be free, and for those that are to be asked for `again`. Throws `MeshAdapterError`. */
  async ask(server: SpireServer, questions: ReadonlyMap<string, 'once' | 'again'>): Promise<void> {
    for (const [name, when] of questions) {
      if (this.#known.get(name) === false && when === 'once') continue;
      this.#known.set(name, (await server.refresh(name)).kind !== 'not-polled');
    }
  }

  /** SPIRE may have begun anew. */
  forget(): void {
    this.#known.clear();
  }
}
