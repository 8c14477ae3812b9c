import { EndpointPool, type PoolParts } from './endpoint-pool.ts';
import { chooseEndpoint } from './choose-endpoint.ts';
import { type Endpoint, endpointKey, type UpstreamSource } from './upstream.ts';

/** An endpoint, and its connections. */
export interface PooledEndpoint {
  readonly endpoint: Endpoint;
  readonly pool: EndpointPool;
}

/**
 * The endpoints of an upstream with their connections. Follows the source: a new endpoint gets a
 * pool, and the connections of a removed one end.
 */
export class EndpointPools {
  readonly #source: UpstreamSource;
  readonly #parts: PoolParts;
  readonly #unfollow: () => void;
  #pools = new Map<string, EndpointPool>();
  #endpoints: readonly Endpoint[] = [];
  #turn = 0;

  constructor(source: UpstreamSource, parts: PoolParts) {
    this.#source = source;
    this.#parts = parts;
    this.#unfollow = source.onChange(() => this.#take());
    this.#take();
  }

  /** The endpoint for the next attempt; undefined where there is none. */
  choose(tried?: ReadonlySet<Endpoint>): PooledEndpoint | undefined {
    this.#turn += 1;
    const endpoint = chooseEndpoint(this.#endpoints, {
      turn: this.#turn,
      usable: () => true,
      ...(tried && { tried }),
    });
    const pool = endpoint && this.#pools.get(endpointKey(endpoint));
    return endpoint && pool && { endpoint, pool };
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
    for (const [key, pool] of before) if (!this.#pools.has(key)) pool.retire();
  }
}
