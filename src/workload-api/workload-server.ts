import { CLUSTER_TYPE_URL, EXTENSION_CONFIG_TYPE_URL, LISTENER_TYPE_URL } from '../grpc/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import { type Clock, keepSocket, type Log, type Metrics } from '../platform/index.ts';
import { createNobodysRoot, currentPart, type TrustBundle } from '../spiffe/index.ts';
import { AggregatedDiscovery, type AggregatedType } from './aggregated-discovery.ts';
import { FittedTrust, type Unserved, type UnservedSince } from './fit-bundles.ts';
import { HealthService } from './health-service.ts';
import { NarrowedAnchors } from './narrowed-anchors.ts';
import { type SdsProxySecret, SdsServer } from './sds-server.ts';
import { type OpenStreams, SpiffeWorkloadApi } from './spiffe-workload-api.ts';
import type { NamedResources } from './discovery-service.ts';
import { closedFilter, type ServiceResources } from './service-resources.ts';
import { TrustSecrets } from './trust-secrets.ts';
import type { SdsEvent } from './sds-stream.ts';
import { isSameState, type WorkloadState } from './workload-state.ts';

/** What a workload socket gives out, and the sources of it. */
export interface WorkloadServerOptions {
  readonly own: () => TrustBundle | undefined;
  readonly foreign: () => readonly TrustBundle[];
  /** The SVID that every caller gets; left out: none. */
  readonly svid?: SvidSource;
  /** What proxies learn about services over ADS; left out: nothing. */
  readonly services?: () => ServiceResources;
  /** Streams of each method at once, and connections at once. */
  readonly maxStreams: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The state of its clients. */
export interface WorkloadServing {
  readonly sdsStreams: number;
  readonly proxySecrets: readonly SdsProxySecret[];
  readonly workloadStreams: OpenStreams;
  /** Peers that are left out, or whose roots are not all given out. */
  readonly unserved: readonly UnservedSince[];
}

/** One Unix socket with the SPIFFE Workload API and Envoy's SDS, as in SPIRE's agent. */
export class WorkloadServer {
  readonly #options: WorkloadServerOptions;
  readonly #sds: SdsServer;
  readonly #api: SpiffeWorkloadApi;
  readonly #health: HealthService;
  readonly #discovery: AggregatedDiscovery | undefined;
  readonly #fitted: FittedTrust;
  readonly #anchors = new NarrowedAnchors();
  readonly #unfollow: (() => void) | undefined;
  readonly #stopping = new AbortController();
  #keeping: Promise<void> | undefined;
  #nobody: string | undefined;
  #state: WorkloadState = { own: undefined, foreign: [], identity: 'none' };
  #secrets: TrustSecrets | undefined;
  #refreshing: Promise<void> | undefined;
  #again = false;

  constructor(options: WorkloadServerOptions) {
    const { clock, log, metrics, maxStreams, svid, services } = options;
    this.#options = options;
    this.#fitted = new FittedTrust({ clock, log });
    this.#api = new SpiffeWorkloadApi({ state: () => this.#state, clock, maxStreams });
    this.#health = new HealthService({ serving: () => this.#state.own !== undefined, maxStreams });
    this.#discovery = services && new AggregatedDiscovery({ types: typesOf(services), maxStreams, log });
    this.#sds = new SdsServer({
      secrets: (name) => this.#secrets?.get(name),
      everyName: () => this.#secrets?.names() ?? [],
      observe: createSdsObserver(metrics),
      beside: [this.#api, this.#health, ...(this.#discovery ? [this.#discovery] : [])],
      maxStreams,
      log,
    });
    this.#unfollow = svid?.onChange(() => {
      this.refresh().catch((error: unknown) => log.error('the new SVID was not given out', { error }));
    });
  }

  /**
   * Opens the socket with that mode and the present state. Throws `WorkloadApiError`
   * `socket-in-use`, `socket-failed`.
   */
  async start(socketPath: string, mode: number): Promise<void> {
    await this.refresh();
    await this.#sds.start(socketPath, mode);
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    this.#keeping = keepSocket({ path: socketPath, reopen: () => this.#sds.reopen(), clock, log, signal });
  }

  /**
   * Sends the present state to every client, because something may have changed. Changes during one
   * computation go out together. Resolves when the present state has been sent.
   */
  refresh(): Promise<void> {
    if (this.#refreshing) {
      this.#again = true;
      return this.#refreshing;
    }
    const refreshing = this.#refresh();
    this.#refreshing = refreshing;
    return refreshing;
  }

  /** Sends what proxies learn about services, because it may be something else now. */
  servicesChanged(): void {
    this.#discovery?.pushChanged();
  }

  /**
   * Gives out the present state if a different one is given out. Returns whether it changed
   * anything.
   */
  async correct(): Promise<boolean> {
    if (this.#refreshing || isSameState(this.#state, this.#wanted().state)) return false;
    await this.refresh();
    return true;
  }

  serving(): WorkloadServing {
    return {
      sdsStreams: this.#sds.streams,
      proxySecrets: this.#sds.proxySecrets(),
      workloadStreams: this.#api.streams,
      unserved: this.#fitted.unserved,
    };
  }

  async stop(): Promise<void> {
    this.#unfollow?.();
    this.#stopping.abort();
    await this.#keeping;
    await this.#sds.stop();
  }

  async #refresh(): Promise<void> {
    try {
      do {
        this.#again = false;
        const { state, unserved } = this.#wanted();
        const { pems: anchors, unnarrowed } = await this.#anchors.of(state.foreign);
        this.#nobody ??= await createNobodysRoot(this.#options.clock.now());
        this.#state = state;
        this.#fitted.note([...unserved, ...unnarrowed]);
        this.#secrets = new TrustSecrets({ state, anchors, nobody: this.#nobody });
        this.#sds.pushChanged();
        this.#api.changed();
        this.#health.changed();
      } while (this.#again);
    } finally {
      // In the same turn as the check of `#again`: a change after that check begins its own
      // refresh.
      this.#refreshing = undefined;
    }
  }

  #wanted(): { readonly state: WorkloadState; readonly unserved: readonly Unserved[] } {
    const { own: ownNow, foreign: foreignNow, svid, clock } = this.#options;
    const now = clock.now();
    const whole = ownNow();
    const own = whole && currentOwn(whole, now);
    // Our own name belongs to our own mesh alone, whatever a peer offers.
    const offered = foreignNow()
      .filter(({ trustDomain }) => trustDomain !== own?.trustDomain)
      .map((bundle) => currentPart(bundle, now));
    const { foreign, unserved } = this.#fitted.of(own, offered);
    const identity = svid ? (svid.current() ?? 'awaited') : 'none';
    return { state: { own, foreign, identity }, unserved };
  }
}

/**
 * Our own bundle without expired roots. When all have expired they stay, because a set without a
 * root would mean no answer at all.
 */
function currentOwn(own: TrustBundle, now: Date): TrustBundle {
  const part = currentPart(own, now);
  return part.x509Authorities.length === 0 ? own : part;
}

/** Clusters come first: a listener names them. */
function typesOf(services: () => ServiceResources): readonly AggregatedType[] {
  const named = (typeUrl: string, resources: () => NamedResources) => ({
    typeUrl,
    resource: (name: string) => resources().get(name),
    everyName: () => [...resources().keys()],
  });
  return [
    { ...named(CLUSTER_TYPE_URL, () => services().clusters), isComplete: true },
    { ...named(LISTENER_TYPE_URL, () => services().listeners), isComplete: true },
    {
      ...named(EXTENSION_CONFIG_TYPE_URL, () => services().filters),
      isComplete: false,
      // A proxy keeps a filter that is not sent any more, so a service that is gone gets another one.
      resource: (name) => services().filters.get(name) ?? closedFilter(name),
    },
  ];
}

/** Counts the messages to proxies and their answers. */
function createSdsObserver(metrics: Metrics): (event: SdsEvent) => void {
  const responses = metrics.counter(
    'federate_sds_responses_total',
    'Responses to proxies over SDS: sent, acknowledged (ACK), refused (NACK)',
    ['outcome'],
  );
  for (const outcome of ['sent', 'acknowledged', 'refused'] satisfies SdsEvent[])
    responses.inc({ outcome }, 0);
  return (event) => responses.inc({ outcome: event });
}
