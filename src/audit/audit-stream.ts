import { sentenceOf } from '../errors/index.ts';
import { type Clock, type Log, type Metrics, pause, type Random } from '../platform/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import type { AuditSink } from './audit-sink.ts';
import { cloudEventOf } from './cloud-event.ts';
import { AuditError } from './errors.ts';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 5 * 60_000;
/** Also without a wake-up, so that none can be lost. */
const LOOK_AGAIN_MS = 60_000;
const LAST_TRY_MS = 3000;

export interface AuditStreamOptions {
  /** The name of the sink. Its place in the history is stored under it. */
  readonly name: string;
  readonly sink: AuditSink;
  /** Where a sink begins that has no place yet. */
  readonly from: 'now' | 'beginning';
  readonly store: Pick<Store, 'events' | 'chainLinks' | 'getMeta' | 'setMeta'>;
  readonly trustDomain: () => TrustDomain | undefined;
  /** With the labels `sink` and `outcome`. */
  readonly counted: ReturnType<Metrics['counter']>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Why events wait, and since when. */
export interface AuditTrouble {
  readonly code: string;
  readonly message: string;
  readonly since: Date;
}

/**
 * Gives every event of the history to one sink: in its order, at least once, and over restarts. The
 * history itself is the queue, so nothing is lost and nothing grows in memory. What fails is tried
 * again, and what comes after it waits.
 */
export class AuditStream {
  readonly #options: AuditStreamOptions;
  readonly #stopping = new AbortController();
  readonly #ending = new AbortController();
  #woken = new AbortController();
  #cursor = 0;
  #trouble: AuditTrouble | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: AuditStreamOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** What keeps events from the sink; undefined while they arrive. */
  get trouble(): AuditTrouble | undefined {
    return this.#trouble;
  }

  /** Finds its place in the history, and begins. Rejects with `StoreError`. */
  async start(): Promise<void> {
    const { store, from } = this.#options;
    const kept = await store.getMeta(this.#key);
    if (kept === undefined) {
      const [newest] = from === 'now' ? await store.events({ limit: 1 }) : [];
      this.#cursor = newest?.id ?? 0;
      await store.setMeta(this.#key, String(this.#cursor));
    } else this.#cursor = Number(kept);
    this.#loop = this.#run();
  }

  /** There may be something new. */
  wake(): void {
    this.#woken.abort();
  }

  /** Tries once more to deliver what is there, for some seconds, and ends. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#woken.abort();
    const ended = new AbortController();
    const late = pause(this.#options.clock, LAST_TRY_MS, ended.signal).then((isLate) => {
      if (isLate) this.#ending.abort();
    });
    await this.#loop;
    ended.abort();
    await late;
  }

  get #key(): string {
    return `audit-cursor:${this.#options.name}`;
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    for (let failures = 0; ; ) {
      this.#woken = new AbortController();
      const isStopping = this.#stopping.signal.aborted;
      failures = (await this.#deliverAll()) ? 0 : failures + 1;
      if (isStopping || this.#ending.signal.aborted) return;
      const { signal } = failures === 0 ? this.#woken : this.#stopping;
      const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20));
      const waitMs = failures === 0 ? LOOK_AGAIN_MS : longest / 2 + (longest / 2) * random.fraction();
      if (!this.#stopping.signal.aborted) await pause(clock, waitMs, signal);
    }
  }

  /** Whether everything that is in the history has been delivered. */
  async #deliverAll(): Promise<boolean> {
    const { store, sink, name, trustDomain, counted, clock, log } = this.#options;
    try {
      for (;;) {
        const events = await store.events({ after: this.#cursor, limit: sink.batch });
        const last = events.at(-1);
        if (!last) return true;
        const [first] = await store.chainLinks({ limit: 1 });
        const identity = { chain: first?.hash ?? '', trustDomain: trustDomain() };
        await sink.deliver(
          events.map((event) => cloudEventOf(event, identity)),
          this.#ending.signal,
        );
        await store.setMeta(this.#key, String(last.id));
        this.#cursor = last.id;
        counted.inc({ sink: name, outcome: 'delivered' }, events.length);
        if (this.#trouble) log.info('events reach their sink again', { sink: name });
        this.#trouble = undefined;
      }
    } catch (error) {
      counted.inc({ sink: name, outcome: 'failed' });
      const code = error instanceof AuditError ? error.code : 'audit-failed';
      if (this.#trouble?.code !== code) log.warn('events do not reach their sink', { sink: name, error });
      this.#trouble = { code, message: sentenceOf(error), since: this.#trouble?.since ?? clock.now() };
      return false;
    }
  }
}
