import { type Clock, pause, type Random, TokenBucket } from '../../platform/index.ts';
import { backoffMs } from './backoff.ts';

export interface ComparisonLoopOptions {
  /** Runs one try. Gives false where another try must follow soon. Never rejects. */
  readonly compare: (signal: AbortSignal) => Promise<boolean>;
  /** How often wanted and actual are compared without a trigger. */
  readonly resyncMs: number;
  /**
   * Changes within this time are written together, because some meshes re-issue every certificate
   * for each write.
   */
  readonly batchMs?: number;
  readonly clock: Clock;
  readonly random: Random;
}

const DEFAULT_BATCH_MS = 20;
/**
 * The limit of tries that triggers cause: this many in a burst, then one every half second, however
 * many peers change.
 */
const TRIGGERED_TRIES = { most: 20, everyMs: 500 };

/**
 * Compares wanted and actual after each trigger, every `resyncMs`, and with backoff after a failure.
 * Because every try begins with what is wanted then, nothing is queued and nothing can be lost.
 * Continuous triggers delay a try by at most half a second and cause at most two tries a second.
 */
export class ComparisonLoop {
  readonly #options: ComparisonLoopOptions;
  readonly #stopping = new AbortController();
  #asked = 1;
  #answered = 0;
  #wake: (() => void) | undefined;
  #waiting: { readonly asked: number; readonly resolve: () => void }[] = [];
  readonly #tries: TokenBucket;
  #running: Promise<void> | undefined;

  constructor(options: ComparisonLoopOptions) {
    this.#options = options;
    this.#tries = new TokenBucket(options.clock, TRIGGERED_TRIES);
  }

  /** Something may have changed: compare soon. */
  trigger(): void {
    this.#asked += 1;
    this.#wake?.();
  }

  /** Begins with a first comparison at once; ends at `stop` or when the signal aborts. */
  start(signal?: AbortSignal): void {
    if (this.#running) throw new TypeError('the loop runs already');
    signal?.addEventListener('abort', () => this.#stopping.abort(), { once: true });
    if (signal?.aborted) this.#stopping.abort();
    this.#running = this.#run();
  }

  /**
   * Resolves when every trigger so far was followed by a try, successful or not, or when the loop
   * has stopped.
   */
  settled(): Promise<void> {
    if (this.#answered >= this.#asked || this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ asked: this.#asked, resolve }));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { compare, resyncMs, batchMs = DEFAULT_BATCH_MS, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const answering = this.#asked;
      failures = (await compare(signal)) ? 0 : failures + 1;
      this.#answered = answering;
      this.#notifySettled(answering);
      const pauseMs = failures === 0 ? resyncMs : Math.min(resyncMs, backoffMs(failures, random));
      if (await this.#sleepOrTrigger(pauseMs, answering)) {
        await this.#pause(Math.max(batchMs, this.#tries.waitMs()));
        this.#tries.take();
      }
    }
    this.#notifySettled(this.#asked);
  }

  /** True when a trigger woke it that `answering` did not cover. */
  async #sleepOrTrigger(ms: number, answering: number): Promise<boolean> {
    if (this.#asked > answering) return true;
    const waking = new AbortController();
    this.#wake = () => waking.abort();
    await this.#pause(ms, waking.signal);
    this.#wake = undefined;
    return this.#asked > answering;
  }

  async #pause(ms: number, waking?: AbortSignal): Promise<void> {
    const { signal } = this.#stopping;
    // Woken: the loop looks at why.
    await pause(this.#options.clock, ms, waking ? AbortSignal.any([signal, waking]) : signal);
  }

  /** Resolves the callers that wait for this trigger or an earlier one. */
  #notifySettled(answered: number): void {
    const due = this.#waiting.filter(({ asked }) => asked <= answered);
    this.#waiting = this.#waiting.filter(({ asked }) => asked > answered);
    for (const { resolve } of due) resolve();
  }
}
