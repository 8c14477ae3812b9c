import type { SvidSource } from '../mtls/index.ts';
import { type Clock, keepSocket, type Log, type Metrics } from '../platform/index.ts';
import { createNobodysRoot, currentPart, type TrustBundle } from '../spiffe/index.ts';
import { FittedTrust, type Unserved, type UnservedSince } from './fit-bundles.ts';
import { HealthService } from './health-service.ts';
import { NarrowedAnchors } from './narrowed-anchors.ts';
import { type SdsProxySecret, SdsServer } from './sds-server.ts';
import { type OpenStreams, SpiffeWorkloadApi } from './spiffe-workload-api.ts';
import { TrustSecrets } from './trust-secrets.ts';
import { createSdsObserver } from './workload-metrics.ts';
import { isSameState, type WorkloadState } from './workload-state.ts';

/** What a workload socket gives out, and where that comes from. */
export interface WorkloadServerOptions {
  readonly own: () => TrustBundle | undefined;
  readonly foreign: () => readonly TrustBundle[];
  /** The SVID that every caller gets; left out: none. */
  readonly svid?: SvidSource;
  /** Streams of each method at once, and connections at once. */
  readonly maxStreams: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** How it stands with those who are served. */
export interface WorkloadServing {
  readonly sdsStreams: number;
  readonly proxySecrets: readonly SdsProxySecret[];
  readonly workloadStreams: OpenStreams;
  /** Peers that are not given out, or not with all of their roots. */
  readonly unserved: readonly UnservedSince[];
}

/** One Unix socket with the SPIFFE Workload API and Envoy's SDS, as SPIRE's agent has it. */
export class WorkloadServer {
  readonly #options: WorkloadServerOptions;
  readonly #sds: SdsServer;
  readonly #api: SpiffeWorkloadApi;
  readonly #health: HealthService;
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
    const { clock, log, metrics, maxStreams, svid } = options;
    this.#options = options;
    this.#fitted = new FittedTrust({ clock, log });
    this.#api = new SpiffeWorkloadApi({ state: () => this.#state, clock, maxStreams });
    this.#health = new HealthService({ serving: () => this.#state.own !== undefined, maxStreams });
    this.#sds = new SdsServer({
      secrets: (name) => this.#secrets?.get(name),
      everyName: () => this.#secrets?.names() ?? [],
      observe: createSdsObserver(metrics),
      beside: [this.#api, this.#health],
      maxStreams,
      log,
    });
    this.#unfollow = svid?.onChange(() => {
      this.refresh().catch((error: unknown) => log.error('the new SVID was not given out', { error }));
    });
  }

  /**
   * Opens the socket with that mode, with the present state. Throws `WorkloadApiError`
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
   * Something may have changed: everybody who asked gets the new state. Changes that come while one
   * is worked out go out together; resolves when what there is now has been sent.
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

  /** Gives out the present state if another one is given out. Whether it had to. */
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
      // In the same turn as the look at `#again`: a change that comes after that look begins a
      // refresh of its own.
      this.#refreshing = undefined;
    }
  }

  #wanted(): { readonly state: WorkloadState; readonly unserved: readonly Unserved[] } {
    const { own: ownNow, foreign: foreignNow, svid, clock } = this.#options;
    const now = clock.now();
    const whole = ownNow();
    const own = whole && currentOwn(whole, now);
    // Our own name is our own mesh's alone, whatever a peer offers.
    const offered = foreignNow()
      .filter(({ trustDomain }) => trustDomain !== own?.trustDomain)
      .map((bundle) => currentPart(bundle, now));
    const { foreign, unserved } = this.#fitted.of(own, offered);
    const identity = svid ? (svid.current() ?? 'awaited') : 'none';
    return { state: { own, foreign, identity }, unserved };
  }
}

/**
 * Our own bundle without roots that have ended. Where all have ended they stay: a set without a
 * root would read as no answer at all.
 */
function currentOwn(own: TrustBundle, now: Date): TrustBundle {
  const part = currentPart(own, now);
  return part.x509Authorities.length === 0 ? own : part;
}
