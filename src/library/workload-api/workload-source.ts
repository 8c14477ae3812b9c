import { EventEmitter } from 'node:events';
import { type Clock, silentLog, systemClock, systemEnvironment, systemRandom } from '../../platform/index.ts';
import type { BundleSource, TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import {
  ENDPOINT_VARIABLE,
  parseEndpointAddress,
  resolveEndpointAddress,
  WorkloadApiError,
  type WorkloadApiProblem,
} from '../../workload-api/index.ts';

/** How a source finds its Workload API, and how long it waits for it. */
export interface SourceOptions {
  /**
   * `unix:///path/to.sock` or `tcp://127.0.0.1:8000`. Default: the environment variable
   * `SPIFFE_ENDPOINT_SOCKET`.
   */
  readonly address?: string;
  /** Ends the wait for the first update. Default: the source waits until the API answers. */
  readonly signal?: AbortSignal;
  /** Default: the system's. For tests. */
  readonly clock?: Clock;
}

export interface SourceEvents {
  /** Something that the source gives out may have changed. */
  readonly update: [];
  /** The Workload API sends nothing now, and why. The last good state stays unless it was denied. */
  readonly problem: [problem: WorkloadApiProblem];
}

/**
 * What the sources have in common: events `update` and `problem`, reconnecting with growing waits,
 * and `close`. An open source keeps the process alive. A closed one gives out nothing.
 */
export abstract class WorkloadSource
  extends EventEmitter<SourceEvents>
  implements BundleSource, AsyncDisposable
{
  readonly #uri: string;
  #problem: WorkloadApiProblem | undefined;
  #closed: Promise<void> | undefined;

  /** @internal */
  protected constructor(uri: string) {
    super();
    // Each helper that uses the source listens, and there may be many.
    this.setMaxListeners(0);
    this.#uri = uri;
  }

  /** @internal */
  protected abstract isReady(): boolean;
  /** @internal */
  protected abstract stop(): Promise<void>;
  /** @internal */
  protected abstract bundle(trustDomain: TrustDomain): TrustBundle | undefined;

  /** The bundle of a trust domain as the Workload API has sent it last; undefined where it has not. */
  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.closed ? undefined : this.bundle(trustDomain);
  }

  /** Calls back after each update until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.on('update', listener);
    return () => this.off('update', listener);
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Ends the connection with the Workload API. After that the source gives out nothing. */
  close(): Promise<void> {
    this.#closed ??= this.stop();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  protected reportUpdate(): void {
    if (!this.closed) this.emit('update');
  }

  /** @internal */
  protected reportProblem(problem: WorkloadApiProblem): void {
    this.#problem = problem;
    if (!this.closed) this.emit('problem', problem);
  }

  /**
   * @internal
   * Waits for the first update, or closes the source. Rejects with `WorkloadApiError` `no-update` when
   * the signal aborts, and `refused` when the API will never answer.
   */
  protected async opened(signal: AbortSignal | undefined): Promise<this> {
    let giveUp = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        const look = () => {
          if (this.isReady()) resolve();
        };
        this.on('update', look);
        this.on('problem', ({ code, message }) => {
          if (code === 'refused')
            reject(new WorkloadApiError('refused', `the Workload API ${this.#uri} refuses us: ${message}`));
        });
        giveUp = () => reject(this.#noUpdate(signal?.reason));
        if (signal?.aborted) giveUp();
        signal?.addEventListener('abort', giveUp);
        look();
      });
      return this;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
      this.removeAllListeners();
    }
  }

  #noUpdate(cause: unknown): WorkloadApiError {
    const why = this.#problem ? `${this.#problem.message} [${this.#problem.code}]` : 'it sent nothing usable';
    return new WorkloadApiError('no-update', `the Workload API ${this.#uri} gave no first update: ${why}`, {
      cause,
    });
  }
}

/** What the clients of a source need. Throws `WorkloadApiError`. */
export function surroundingsOf({ address, clock = systemClock }: SourceOptions) {
  const endpoint =
    address === undefined
      ? resolveEndpointAddress(ENDPOINT_VARIABLE, systemEnvironment)
      : parseEndpointAddress(address);
  return { address: endpoint, clock, random: systemRandom, log: silentLog };
}
