import { type Clock, describeError, type Log, type Random } from '../../platform/index.ts';
import { contentDigest, type TrustBundle, type TrustDomain } from '../../spiffe/index.ts';
import { ComparisonLoop } from './comparison-loop.ts';
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

/** Keeps a mesh holding the foreign trust that it should, by a loop of comparisons. */
export class ForeignTrustPublisher {
  readonly #options: ForeignTrustPublisherOptions;
  readonly #loop: ComparisonLoop;
  /** Trust domains that the last report did not call gone. */
  readonly #reported = new Set<TrustDomain>();
  #hasCompared = false;
  #unsubscribe: readonly (() => void)[] = [];

  constructor(options: ForeignTrustPublisherOptions) {
    this.#options = options;
    this.#loop = new ComparisonLoop({ ...options, compare: (signal) => this.#compare(signal) });
  }

  /** Something may have changed: compare soon. */
  trigger(): void {
    this.#loop.trigger();
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
    this.#loop.start(signal);
    const { adapter } = this.#options;
    this.#unsubscribe = [
      adapter.onReport((report) => this.#report(report)),
      adapter.onProgress(() => this.trigger()),
    ];
  }

  /**
   * Resolves when every trigger so far was followed by a try, successful or not, or when the
   * publisher has stopped.
   */
  settled(): Promise<void> {
    return this.#loop.settled();
  }

  /** Ends the loop; what the mesh holds stays. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    for (const each of this.#unsubscribe) each();
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
}
