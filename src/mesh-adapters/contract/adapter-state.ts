import { sentenceOf } from '../../errors/index.ts';
import { defined } from '../../objects/index.ts';
import { type Clock, describeError, Listeners, type Log } from '../../platform/index.ts';
import type { AdapterStatus, ForeignTrustReport } from './mesh-adapter.ts';

/**
 * One thing that an adapter does with its mesh: trouble with it is over when this same thing
 * succeeds.
 */
export type AdapterPart = 'mesh-config' | 'roots' | 'own-trust' | 'foreign-trust';

/**
 * Remembers the state of an adapter towards its mesh, and the listeners for changes. Each part has
 * its own trouble, so that a mesh that can be read does not hide a failing write.
 */
export class AdapterState {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Listeners<[ForeignTrustReport]>();
  readonly #watchers = new Listeners();
  readonly #troubles = new Map<
    AdapterPart,
    { readonly code: string; readonly message: string; readonly since: Date }
  >();
  #lastContactAt: Date | undefined;

  constructor(options: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  get status(): AdapterStatus {
    const [trouble] = this.#troubles.values();
    const lastContactAt = this.#lastContactAt;
    if (trouble) return { connected: false, ...trouble, ...defined({ lastContactAt }) };
    if (lastContactAt) return { connected: true, lastContactAt };
    return { connected: false, code: 'not-contacted', message: 'the mesh has not been asked yet' };
  }

  /**
   * Notes that this part succeeded. A mesh that answers again may have been restored from a backup,
   * so this counts as progress.
   */
  contact(part: AdapterPart): void {
    const before = this.status.connected;
    const returns = this.#troubles.delete(part) && part !== 'foreign-trust';
    this.#lastContactAt = this.#clock.now();
    if (!before && this.status.connected) this.#log.info('mesh answers');
    if (returns) this.progress();
  }

  /**
   * The mesh did not answer, or not with what we can use. The same trouble again is not logged
   * again.
   */
  trouble(part: AdapterPart, error: unknown): void {
    const { code = 'mesh-failed' } = describeError(error);
    const before = this.#troubles.get(part);
    if (before?.code !== code) this.#log.warn('mesh cannot be read or written', { what: part, code, error });
    const since = before?.since ?? this.#clock.now();
    this.#troubles.set(part, { code, message: sentenceOf(error), since });
  }

  /**
   * Runs one comparison of what the mesh holds, and remembers the outcome. `work` calls
   * `noteTrouble` where it has reports but the mesh accepted none of the writes. Throws what `work`
   * throws.
   */
  async applying<Value>(
    signal: AbortSignal,
    work: (signal: AbortSignal, noteTrouble: (error: unknown) => void) => Promise<Value>,
  ): Promise<Value> {
    let trouble: unknown;
    try {
      const value = await work(signal, (error) => {
        trouble = error;
      });
      if (trouble === undefined) this.contact('foreign-trust');
      else this.trouble('foreign-trust', trouble);
      return value;
    } catch (error) {
      if (!signal.aborted) this.trouble('foreign-trust', error);
      throw error;
    }
  }

  readonly onReport = this.#listeners.add;

  report(report: ForeignTrustReport): void {
    this.#listeners.notify(report);
  }

  readonly onProgress = this.#watchers.add;

  /** The mesh has made something of what was written, or may have lost it. */
  progress(): void {
    this.#watchers.notify();
  }
}
