import { type Clock, type Log, pause, type Random } from '../../platform/index.ts';
import { createConsulClient } from './consul-client.ts';
import { followBlockingQuery } from './blocking-query.ts';
import { type ConsulLeaf, parseConsulLeaf } from './leaf.ts';

/**
 * The number of leaves to request at first while others wait. Each of them then holds one blocking
 * query.
 */
const START_EVERY_MS = 20;

export interface ConsulLeavesOptions {
  /**
   * Base URL of the HTTP API of a Consul agent. The agent keeps each leaf fresh; it does not sign.
   */
  readonly address: string;
  /** Holds an ACL token with `service:write` for each of the services; read for every request. */
  readonly tokenFile?: string;
  /** PEM file with the CA of the API's certificate. Without it the system's trust store decides. */
  readonly caFile?: string;
  readonly services: readonly string[];
  /** Called with the name of a service when its leaf has changed. */
  readonly onChange: (service: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Holds the leaves of some Consul services, each kept fresh by its own blocking query. While Consul
 * does not answer, the last leaf stays. Nothing is written to disk.
 */
export class ConsulLeaves {
  readonly #options: ConsulLeavesOptions;
  readonly #held = new Map<string, ConsulLeaf>();
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: ConsulLeavesOptions) {
    this.#options = options;
  }

  /** Starts the queries. The first leaves arrive through `onChange`. */
  start(): void {
    const { services } = this.#options;
    this.#running = Promise.all(services.map((service, index) => this.#follow(service, index)));
  }

  /** The last reported leaf; undefined before the first report. */
  current(service: string): ConsulLeaf | undefined {
    return this.#held.get(service);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #follow(service: string, index: number): Promise<void> {
    const { address, tokenFile, caFile, onChange, clock, random, log } = this.#options;
    const { signal } = this.#stopping;
    let troubled = false;
    if (!(await pause(clock, index * START_EVERY_MS, signal))) return;
    await followBlockingQuery({
      client: createConsulClient({ address, tokenFile, caFile, clock }),
      path: `/v1/agent/connect/ca/leaf/${encodeURIComponent(service)}`,
      take: (value) => {
        const leaf = parseConsulLeaf(service, value);
        if (troubled) log.info('leaf of a Consul service reported again', { service });
        troubled = false;
        if (leaf.chainPem === this.#held.get(service)?.chainPem) return;
        this.#held.set(service, leaf);
        log.info('leaf of a Consul service', { service, spiffe_id: leaf.id, not_after: leaf.notAfter });
        onChange(service);
      },
      onTrouble: (error) => {
        if (!troubled) log.warn('leaf of a Consul service not reported', { service, error });
        troubled = true;
      },
      clock,
      random,
      signal,
    });
  }
}
