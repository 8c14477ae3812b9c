import { EndpointPool, type PoolParts } from './endpoint-pool.ts';
import { chooseEndpoint } from './choose-endpoint.ts';
import { type Endpoint, endpointKey, type UpstreamSource } from './upstream.ts';

/** An endpoint, and its connections. */
export interface PooledEndpoint {
  readonly endpoint: Endpoint;
  readonly key: string;
  readonly pool: EndpointPool;
}

/** What decides over the endpoints besides their priority, such as outlier detection. */
export interface EndpointJudge {
  /** Sets which endpoints there are. */
  follow(keys: Iterable<string>): void;
  isUsable(key: string): boolean;
}

/**
 * The endpoints of an upstream with their connections. Follows the source: a new endpoint gets a
 * pool, and the connections of a removed one end.
 */
export class EndpointPools {
  readonly #source: UpstreamSource;
  readonly #parts: PoolParts;
  readonly #unfollow: () => void;
  readonly #judge: EndpointJudge | undefined;
  #pools = new Map<string, EndpointPool>();
  #endpoints: readonly Endpoint[] = [];
  #turn = 0;

  constructor(source: UpstreamSource, parts: PoolParts, judge?: EndpointJudge) {
    this.#source = source;
    this.#parts = parts;
    this.#judge = judge;
    this.#unfollow = source.onChange(() => this.#take());
    this.#take();
  }

  get isEmpty(): boolean {
    return this.#endpoints.length === 0;
  }

  /** The endpoint for the next attempt; undefined where none is usable. */
  choose(tried: ReadonlySet<string>): PooledEndpoint | undefined {
    // A retry takes no turn, or a bad endpoint among two would get the first attempt of each request.
    if (tried.size === 0) this.#turn += 1;
    const endpoint = chooseEndpoint(this.#endpoints, {
      turn: this.#turn,
      usable: (each) => this.#judge?.isUsable(endpointKey(each)) ?? true,
      tried: (each) => tried.has(endpointKey(each)),
    });
    if (!endpoint) return undefined;
    const key = endpointKey(endpoint);
    const pool = this.#pools.get(key);
    return pool && { endpoint, key, pool };
  }

  /** Ends all connections at once. */
  destroy(): void {
    this.#unfollow();
    for (const pool of this.#pools.values()) pool.destroy();
  }

  #take(): void {
    const before = this.#pools;
    this.#endpoints = this.#source.current().endpoints;
    this.#pools = new Map(
      this.#endpoints.map((endpoint) => {
        const key = endpointKey(endpoint);
        return [key, before.get(key) ?? new EndpointPool(endpoint, this.#parts)];
      }),
    );
    this.#judge?.follow(this.#pools.keys());
    for (const [key, pool] of before) if (!this.#pools.has(key)) pool.retire();
  }
}
