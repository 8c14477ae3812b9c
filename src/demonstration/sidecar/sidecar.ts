import { ConnectionRegistry } from '../../mtls/index.ts';
import type { Clock, Log, Metrics, Random } from '../../platform/index.ts';
import { createCallMeasures } from './call-measures.ts';
import { ExchangeRecords } from './exchange/exchange-records.ts';
import { Inbound, type InboundOptions } from './inbound.ts';
import { Outbound, type OutboundOptions } from './outbound.ts';
import type { CountConnection } from './count-connection.ts';
import { createSupply, type Supply, type SupplyOptions } from './supply.ts';

export interface SidecarOptions {
  readonly supply: SupplyOptions;
  readonly inbound?: InboundOptions;
  readonly outbound: readonly OutboundOptions[];
  /** Where upstreams and rules come from, for the options that use them. */
  readonly sources?: readonly { start(): void; stop(): Promise<void> }[];
  /** Writes one line for each request to the log; left out: no. */
  readonly accessLog?: boolean;
  /** Continues the trace of each request, or starts one (W3C Trace Context); left out: no. */
  readonly traceContext?: boolean;
  /** How long requests in flight may go on at the end. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * The mTLS proxy next to one workload. SVID and trust come over SDS or from a Workload API and are
 * swapped at run time. In either role a peer is verified before the first application byte. When
 * trust changes, connections that depended on removed trust are closed within `CLOSE_WITHIN_MS`.
 */
export class Sidecar {
  readonly #options: SidecarOptions;
  readonly #supply: Supply;
  readonly #registry: ConnectionRegistry;
  readonly inbound: Inbound | undefined;
  readonly outbound: readonly Outbound[];

  constructor(options: SidecarOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#supply = createSupply(options.supply, options);
    const { svid, verifier } = this.#supply;
    this.#registry = new ConnectionRegistry({ clock, log });
    this.#supply.onTrustChange(() => {
      this.#registry.reverify(verifier).catch((error: unknown) => {
        // Closing too many connections is safe; leaving an unjudged one open is not.
        log.error('judging open connections failed, closing all', { error });
        this.#registry.closeAll();
      });
    });
    const connections = options.metrics.counter(
      'federate_sidecar_connections_total',
      'mTLS connections by direction, and accepted or why not',
      ['direction', 'outcome'],
    );
    const count: CountConnection = (direction, outcome) => connections.inc({ direction, outcome });
    const records = new ExchangeRecords(
      { accessLog: options.accessLog === true, traceContext: options.traceContext === true },
      options,
    );
    const { random, metrics } = options;
    const measures = createCallMeasures(metrics, () => this.outbound.map(({ caller }) => caller));
    const parts = {
      svid,
      verifier,
      registry: this.#registry,
      clock,
      random,
      log,
      count,
      records,
      measures,
    };
    this.inbound = options.inbound && new Inbound(options.inbound, parts);
    if (options.inbound?.healthCheck) this.#showHealth(metrics);
    this.outbound = options.outbound.map((each) => new Outbound(each, parts));
  }

  /** Whether a call can succeed. */
  get ready(): boolean {
    return this.problem === undefined;
  }

  /** Why no call can succeed now: there is no SVID to show, or the workload is unhealthy. */
  get problem(): string | undefined {
    if (this.#supply.svid.current() === undefined) return 'the mesh has not given an SVID and trust yet';
    const problem = this.inbound?.workloadProblem;
    return problem === undefined ? undefined : `the workload is unhealthy: ${problem}`;
  }

  /** Listens; throws `MtlsError` and `SidecarError` `port-in-use`, `listen-failed`. */
  async start(): Promise<void> {
    this.#supply.start();
    for (const source of this.#options.sources ?? []) source.start();
    try {
      await this.inbound?.start();
      for (const outbound of this.outbound) await outbound.start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #showHealth(metrics: Metrics): void {
    const healthy = metrics.gauge(
      'federate_sidecar_workload_healthy',
      '1 when the last health checks of the workload were good',
    );
    metrics.beforeRender(() => healthy.set(this.inbound?.workloadProblem === undefined ? 1 : 0));
  }

  async stop(): Promise<void> {
    const { drainMs } = this.#options;
    await Promise.all([
      this.inbound?.stop(drainMs),
      ...this.outbound.map((outbound) => outbound.stop(drainMs)),
    ]);
    this.#registry.closeAll();
    await Promise.all((this.#options.sources ?? []).map((source) => source.stop()));
    await this.#supply.stop();
  }
}
