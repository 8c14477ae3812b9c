import { spiffeWorkloadService } from '../grpc/index.ts';
import { type Clock, Listeners, type Log, type Random } from '../platform/index.ts';
import { BundleSet, type BundleSource, type TrustBundle } from '../spiffe/index.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import { readJwtBundles, readX509Bundles } from './read-messages.ts';
import type { WorkloadApiProblem } from './workload-api-problem.ts';
import { WorkloadStream } from './workload-stream.ts';

export interface WorkloadBundleClientOptions {
  readonly address: EndpointAddress;
  /** Of which kind the authorities are that it asks for. */
  readonly kind: 'x509' | 'jwt';
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Receives each new problem once, however often it occurs. */
  readonly onProblem?: (problem: WorkloadApiProblem) => void;
}

/**
 * The state from `FetchX509Bundles` or `FetchJWTBundles` of a Workload API, which need no SVID.
 * Each message replaces the one before (WLAPI-15). While the server is gone the last good state
 * stays. When it denies us bundles, they are dropped at once (WLAPI-24).
 */
export class WorkloadBundleClient {
  readonly #stream: { start(): void; stop(): Promise<void> };
  readonly #listeners = new Listeners();
  #bundles = new BundleSet();

  constructor({ kind, ...options }: WorkloadBundleClientOptions) {
    const common = { ...options, onDenied: () => this.#become([]) };
    this.#stream =
      kind === 'x509'
        ? new WorkloadStream({
            ...common,
            method: spiffeWorkloadService.FetchX509Bundles,
            onMessage: (message) => this.#become(readX509Bundles(message)),
          })
        : new WorkloadStream({
            ...common,
            method: spiffeWorkloadService.FetchJWTBundles,
            onMessage: (message) => this.#become(readJwtBundles(message)),
          });
  }

  /** The present bundles, at every call (WLAPI-17). */
  readonly bundles: BundleSource = { bundleFor: (trustDomain) => this.#bundles.bundleFor(trustDomain) };

  /** None before the first message and after a denial. */
  list(): readonly TrustBundle[] {
    return this.#bundles.list();
  }

  start(): void {
    this.#stream.start();
  }

  stop(): Promise<void> {
    return this.#stream.stop();
  }

  /**
   * Calls back after each accepted message and after a denial, until the returned function is
   * called.
   */
  readonly onChange = this.#listeners.add;

  #become(bundles: readonly TrustBundle[]): void {
    this.#bundles = new BundleSet(bundles);
    this.#listeners.notify();
  }
}
