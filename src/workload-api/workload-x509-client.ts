import { spiffeWorkloadService, type X509SvidResponse } from '../grpc/index.ts';
import { type Clock, Listeners, type Log, type Random } from '../platform/index.ts';
import { BundleSet, type BundleSource } from '../spiffe/index.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import type { WorkloadApiProblem } from './workload-api-problem.ts';
import { WorkloadStream } from './workload-stream.ts';
import type { OfferedSvid } from './offered-svid.ts';
import { readOfferedBundles, readOfferedSvids } from './read-messages.ts';

export interface WorkloadX509ClientOptions {
  readonly address: EndpointAddress;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Receives each new problem once, however often it occurs. */
  readonly onProblem?: (problem: WorkloadApiProblem) => void;
}

/**
 * The state from `FetchX509SVID` of a Workload API: our SVIDs, and the bundles that peers are
 * checked with. Each message replaces the one before. While the server is gone the last good state
 * stays. When it reports that we no longer have an identity, SVIDs and bundles are dropped at once
 * (WLAPI-24).
 */
export class WorkloadX509Client {
  readonly #stream: WorkloadStream<X509SvidResponse>;
  readonly #log: Log;
  readonly #listeners = new Listeners();
  #svids: readonly OfferedSvid[] = [];
  #bundles = new BundleSet();

  constructor(options: WorkloadX509ClientOptions) {
    this.#log = options.log;
    this.#stream = new WorkloadStream({
      ...options,
      method: spiffeWorkloadService.FetchX509SVID,
      onMessage: (message) => this.#take(message),
      onDenied: () => this.#become([], new BundleSet()),
    });
  }

  /** Our present SVIDs, the default one first; none before the first message and after a denial. */
  get svids(): readonly OfferedSvid[] {
    return this.#svids;
  }

  /** The present bundles, at every call (WLAPI-17). */
  readonly bundles: BundleSource = { bundleFor: (trustDomain) => this.#bundles.bundleFor(trustDomain) };

  get problem(): WorkloadApiProblem | undefined {
    return this.#stream.problem;
  }

  start(): void {
    this.#stream.start();
  }

  /** Asks again, for instance when the SVID should have been renewed and was not. */
  reopen(): void {
    this.#stream.reopen();
  }

  stop(): Promise<void> {
    return this.#stream.stop();
  }

  /**
   * Calls back after each accepted message and after a denial, until the returned function is
   * called.
   */
  readonly onChange = this.#listeners.add;

  #take(message: X509SvidResponse): void {
    const svids = readOfferedSvids(message);
    let bundles: BundleSet;
    try {
      bundles = new BundleSet(readOfferedBundles(svids, message));
    } catch (error) {
      // A bad foreign bundle must not stop the renewal of our own SVID. Then all bundles stay
      // unchanged.
      this.#become(svids, this.#bundles);
      throw error;
    }
    this.#become(svids, bundles);
  }

  #become(svids: readonly OfferedSvid[], bundles: BundleSet): void {
    this.#svids = svids;
    this.#bundles = bundles;
    this.#log.debug('Workload API state taken up', {
      svids: svids.map(({ svid }) => svid.id),
      trust_domains: bundles.list().map(({ trustDomain }) => trustDomain),
    });
    this.#listeners.notify();
  }
}
