import type { WarningDocument } from '../admin/index.ts';
import { type Clock, type Log, pause } from '../platform/index.ts';
import type { Store, StoreError } from '../store/index.ts';

/** How often a store in trouble is tried. */
const TRY_MS = 10_000;
/** A store without a write for this long is tested too. */
const QUIET_MS = 60_000;
const TRIED_AT = 'store-tried-at';

/** The store's first report of a disk that is full, read-only or broken. */
interface Trouble {
  readonly error: StoreError;
  readonly since: Date;
}

/**
 * Knows from memory whether the store can be used. While it cannot, the agent applies no change of
 * a peer or of our own mesh, because trust is written to disk first. `status`, `list`, `show`,
 * readiness and metrics must show that without reading the store.
 */
export class StoreHealth {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #trouble: Trouble | undefined;
  #wroteMs: number;
  #running: Promise<void> | undefined;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
    this.#wroteMs = clock.monotonicMs();
  }

  /** Why the store cannot be used now; undefined where it can. */
  get trouble(): StoreError | undefined {
    return this.#trouble?.error;
  }

  /**
   * Notes a written transaction. Because one without changes succeeds on a full disk too, only a
   * test write ends the trouble.
   */
  wrote(): void {
    if (!this.#trouble) this.#wroteMs = this.#clock.monotonicMs();
  }

  /** The file or its disk could not be used. */
  failed(error: StoreError): void {
    // The file was closed by ourselves.
    if (error.code === 'store-closed') return;
    if (!this.#trouble) this.#log.error('the store cannot be used', { code: error.code, error });
    this.#trouble = { error, since: this.#trouble?.since ?? this.#clock.now() };
  }

  warnings(): readonly WarningDocument[] {
    if (!this.#trouble) return [];
    const { error, since } = this.#trouble;
    return [
      {
        trust_domain: null,
        code: 'store-unusable',
        message: `no change of a peer or of our own mesh is taken up, because it could not be kept: ${error.message} [${error.code}]`,
        since: since.toISOString(),
      },
    ];
  }

  /** Begins to try the store from time to time. */
  start(store: Pick<Store, 'setMeta'>): void {
    this.#running = this.#run(store);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Writes something new. Never rejects: the store reports the result. */
  async try(store: Pick<Store, 'setMeta'>): Promise<void> {
    try {
      await store.setMeta(TRIED_AT, this.#clock.now().toISOString());
    } catch {
      // Reported to `failed` already.
      return;
    }
    if (this.#trouble) this.#log.info('the store can be used again', { since: this.#trouble.since });
    this.#trouble = undefined;
    this.#wroteMs = this.#clock.monotonicMs();
  }

  async #run(store: Pick<Store, 'setMeta'>): Promise<void> {
    const { signal } = this.#stopping;
    while (await pause(this.#clock, TRY_MS, signal)) {
      if (this.#trouble || this.#clock.monotonicMs() - this.#wroteMs >= QUIET_MS) await this.try(store);
    }
  }
}
