import {
  type Clock,
  describeError,
  type Log,
  pause,
  type Random,
  TokenBucket,
} from '../../platform/index.ts';
import { contentDigest, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { backoffMs } from './backoff.ts';
import type { ForeignTrustReport, MeshAdapter } from './mesh-adapter.ts';

export interface ForeignTrustPublisherOptions {
  readonly adapter: MeshAdapter;
  /** The wanted content of the mesh, read again for every try. */
  readonly wanted: () => readonly TrustBundle[];
  /**
   * Trust domains with entries that stay as they are although they are not wanted; read before
   * every try. Throws `MeshAdapterError` where the mesh cannot be read: then nothing is written.
   */
  readonly kept?: (signal: AbortSignal) => Promise<ReadonlySet<TrustDomain>>;
  /** Called for every report, also for one that equals the report before. */
  readonly onReport: (report: ForeignTrustReport) => void;
  /** How often wanted and actual are compared without a trigger. */
  readonly resyncMs: number;
  /**
   * Changes within this time are written together, because some meshes re-issue every certificate
   * for each write.
   */
  readonly batchMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const DEFAULT_BATCH_MS = 20;
/**
 * The limit of tries that triggers cause: this many in a burst, then one every half second, however
 * many peers change.
 */
const TRIGGERED_TRIES = { most: 20, everyMs: 500 };

/**
 * The loop that keeps a mesh holding what it should: it compares after each trigger, every
 * `resyncMs`, and with backoff after a failure. Because every try begins with the current wanted
 * set, nothing is queued and nothing can be lost. Continuous triggers delay a try by at most half a
 * second and cause at most two tries a second.
 */
export class ForeignTrustPublisher {
  readonly #options: ForeignTrustPublisherOptions;
  readonly #stopping = new AbortController();
  /** Trust domains that the last report did not call gone. */
  readonly #reported = new Set<TrustDomain>();
  #asked = 1;
  #answered = 0;
  #wake: (() => void) | undefined;
  #waiting: { readonly asked: number; readonly resolve: () => void }[] = [];
  #hasCompared = false;
  readonly #tries: TokenBucket;
  #running: Promise<void> | undefined;

  constructor(options: ForeignTrustPublisherOptions) {
    this.#options = options;
    this.#tries = new TokenBucket(options.clock, TRIGGERED_TRIES);
  }

  /** Something may have changed: compare soon. */
  trigger(): void {
    this.#asked += 1;
    this.#wake?.();
  }

  /**
   * Notes that the mesh may hold something of this trust domain although no try reported it, for
   * example from before the start. Its removal, or a failed removal, must then be reported too.
   */
  mayHold(trustDomain: TrustDomain): void {
    this.#reported.add(trustDomain);
  }

  /**
   * Whether a try has succeeded since the start. A successful try reports everything that the mesh
   * holds.
   */
  get hasCompared(): boolean {
    return this.#hasCompared;
  }

  /** Begins with a first comparison at once; ends at `stop` or when the signal aborts. */
  start(signal?: AbortSignal): void {
    if (this.#running) throw new TypeError('the publisher runs already');
    signal?.addEventListener('abort', () => this.#stopping.abort(), { once: true });
    if (signal?.aborted) this.#stopping.abort();
    const { adapter } = this.#options;
    const forget = [
      adapter.onReport((report) => this.#report(report)),
      adapter.onProgress(() => this.trigger()),
    ];
    this.#running = this.#run().finally(() => {
      for (const each of forget) each();
    });
  }

  /**
   * Resolves when every trigger so far was followed by a try, successful or not, or when the
   * publisher has stopped.
   */
  settled(): Promise<void> {
    if (this.#answered >= this.#asked || this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ asked: this.#asked, resolve }));
  }

  /** Ends the loop; what the mesh holds stays. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { resyncMs, batchMs = DEFAULT_BATCH_MS, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const answering = this.#asked;
      failures = (await this.#compare(signal)) ? 0 : failures + 1;
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

  /** Runs one try. Returns false where another try must follow soon. */
  async #compare(signal: AbortSignal): Promise<boolean> {
    const { adapter, wanted, kept, clock, log } = this.#options;
    let bundles = wanted();
    try {
      const keeping = await kept?.(signal);
      bundles = wanted();
      const staying = new Set(keeping);
      for (const { trustDomain } of bundles) staying.delete(trustDomain);
      const reports = await adapter.applyForeignTrust(bundles, signal, this.#reported, staying);
      this.#hasCompared = true;
      for (const report of reports) this.#report(report);
      const named = new Set([...bundles, ...reports].map(({ trustDomain }) => trustDomain));
      for (const trustDomain of this.#reported)
        if (!named.has(trustDomain)) this.#report({ trustDomain, state: 'removed', at: clock.now() });
      return reports.every(({ state }) => state !== 'failed');
    } catch (error) {
      if (signal.aborted) return true;
      log.error('writing foreign trust into the mesh failed', { mesh: adapter.kind, error });
      const { code = 'mesh-failed', message } = describeError(error);
      const failed = { state: 'failed', code, message, at: clock.now() } as const;
      const going = new Set(this.#reported);
      for (const bundle of bundles) {
        const { trustDomain } = bundle;
        going.delete(trustDomain);
        this.#report({ ...failed, trustDomain, digest: contentDigest(bundle) });
      }
      // The entries to remove are still there, and that must be reported too.
      for (const trustDomain of going) this.#report({ ...failed, trustDomain });
      return false;
    }
  }

  #report(report: ForeignTrustReport): void {
    if (report.state === 'removed') this.#reported.delete(report.trustDomain);
    else this.#reported.add(report.trustDomain);
    this.#options.onReport(report);
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
