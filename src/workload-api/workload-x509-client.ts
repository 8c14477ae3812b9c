import { spiffeWorkloadService, type X509SvidResponse } from '../grpc/index.ts';
import type { Clock, Log, Random } from '../platform/index.ts';
import { BundleSet, type BundleSource } from '../spiffe/index.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import { type WorkloadApiProblem, WorkloadStream } from './workload-stream.ts';
import { type OfferedSvid, readOfferedBundles, readOfferedSvids } from './x509-offer.ts';

export interface WorkloadX509ClientOptions {
  readonly address: EndpointAddress;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * What a Workload API gives us by `FetchX509SVID`, kept as it changes: our SVIDs, and the bundles
 * by which peers are checked. Each message takes the place of the one before. While the server is
 * away the last good one stays; when it says that there is no identity for us any more, SVIDs and
 * bundles are gone at once (WLAPI-24).
 */
export class WorkloadX509Client {
  readonly #stream: WorkloadStream<X509SvidResponse>;
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  #svids: readonly OfferedSvid[] = [];
  #bundles = new BundleSet();

  constructor({ address, clock, random, log }: WorkloadX509ClientOptions) {
    this.#log = log;
    this.#stream = new WorkloadStream({
      address,
      method: spiffeWorkloadService.FetchX509SVID,
      onMessage: (message) => this.#take(message),
      onDenied: () => this.#become([], new BundleSet()),
      clock,
      random,
      log,
    });
  }

  /**
   * The SVIDs that are ours now, the default one first; none before the first message and after a
   * denial.
   */
  get svids(): readonly OfferedSvid[] {
    return this.#svids;
  }

  /** The bundles of now, whenever it is asked (WLAPI-17). */
  readonly bundles: BundleSource = { bundleFor: (trustDomain) => this.#bundles.bundleFor(trustDomain) };

  get problem(): WorkloadApiProblem | undefined {
    return this.#stream.problem;
  }

  start(): void {
    this.#stream.start();
  }

  /** Asks anew, as when the SVID should have been renewed and was not. */
  reopen(): void {
    this.#stream.reopen();
  }

  stop(): Promise<void> {
    return this.#stream.stop();
  }

  /**
   * Calls back after each message that was taken up and after a denial, until the returned function
   * is called.
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #take(message: X509SvidResponse): void {
    const svids = readOfferedSvids(message);
    let bundles: BundleSet;
    try {
      bundles = new BundleSet(readOfferedBundles(svids, message));
    } catch (error) {
      // A bad foreign bundle does not keep our own SVID from being renewed; the bundles stay as
      // they were, all of them.
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
    for (const listener of this.#listeners) listener();
  }
}
