import type { WarningDocument } from '../../admin/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import type { Store, StoreError } from '../../store/index.ts';

/** How often a store in trouble is tried. */
const TRY_MS = 10_000;
/** A store that nobody wrote to for so long is tried, too. */
const QUIET_MS = 60_000;
const TRIED_AT = 'store-tried-at';

/** A disk that has no room, is read-only or broken, as the store reported it first. */
interface Trouble {
  readonly error: StoreError;
  readonly since: Date;
}

/**
 * Knows from memory whether the store can be used. While it cannot, no change of a peer or of our own mesh is taken up, because what is
 * trusted is on the disk first. So that must show in `status`, `list`, `show`, readiness and metrics, none of which may need the
 * store for it.
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

  /** A transaction was written. One that changed nothing succeeds on a full disk, too: a trouble ends with a try only. */
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

  /** Writes something new. Never rejects: the store reports what became of it. */
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
    for (;;) {
      try {
        await this.#clock.sleep(TRY_MS, signal);
      } catch {
        return; // stopped
      }
      if (this.#trouble || this.#clock.monotonicMs() - this.#wroteMs >= QUIET_MS) await this.try(store);
    }
  }
}
