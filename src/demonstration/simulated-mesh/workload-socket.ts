import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Log } from '../../platform/index.ts';
import type { Rbac } from '../../grpc/index.ts';
import { pemFromCertificates, type TrustBundle } from '../../spiffe/index.ts';
import {
  clusterName,
  type DiscoveredService,
  DiscoveryService,
  encodeAccessFilter,
  encodeDiscoveredService,
  HealthService,
  INBOUND_FILTERS,
  type SdsAcknowledgement,
  type SdsSecret,
  SdsServer,
  SpiffeWorkloadApi,
  type WorkloadState,
} from '../../workload-api/index.ts';
import type { WorkloadSvid } from './workload-identities.ts';

/** The names under which proxies request their identity and their trust, in both products. */
const IDENTITY_SECRET = 'default';
export const VALIDATION_SECRET = 'ROOTCA';

/** Of the health of one socket. */
const MAX_WATCHERS = 64;

/** What the proxy of one workload may reach, and whom it lets in. */
export interface WorkloadDiscovery {
  readonly services: readonly DiscoveredService[];
  /** A request passes where nothing in `deny` matches and something in `allow` does. */
  readonly access: { readonly deny: Rbac; readonly allow: Rbac };
}

/** The current SVID, trust and surroundings of one workload. */
export interface WorkloadSupply {
  /** Undefined before the first is issued. */
  svid(): WorkloadSvid | undefined;
  ownBundle(): TrustBundle;
  /** Foreign bundles by trust domain; one of our own name is not given out. */
  foreignBundles(): readonly TrustBundle[];
  /** The same trust as the product's proxies get it. */
  validationSecret(): SdsSecret;
  discovery(): WorkloadDiscovery;
}

/**
 * The Unix socket of one workload: SDS and the discovery of services and access filters for its proxy,
 * and the SPIFFE Workload API for itself, as on that of a SPIRE agent. The socket identifies the
 * caller: a process that may open it is the workload, and only that workload's SVID is given out on
 * it.
 */
export class WorkloadSocket {
  readonly #supply: WorkloadSupply;
  readonly #sds: SdsServer;
  readonly #api: SpiffeWorkloadApi;
  readonly #health: HealthService;
  readonly #clusters: DiscoveryService;
  readonly #filters: DiscoveryService;

  constructor(supply: WorkloadSupply, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#supply = supply;
    this.#api = new SpiffeWorkloadApi({ state: () => this.#state(), clock });
    this.#health = new HealthService({
      serving: () => supply.svid() !== undefined,
      maxStreams: MAX_WATCHERS,
    });
    this.#clusters = new DiscoveryService({ kind: 'cluster', resources: () => clustersOf(supply), log });
    this.#filters = new DiscoveryService({
      kind: 'extension config',
      resources: () => filtersOf(supply),
      log,
    });
    this.#sds = new SdsServer({
      secrets: (name) => this.#secretOf(name),
      beside: [this.#api, this.#health, this.#clusters, this.#filters],
      log,
    });
  }

  /**
   * Opens the socket with mode 0600. Throws `WorkloadApiError` `socket-in-use`, `socket-failed`.
   */
  async start(path: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    await this.#sds.start(path);
  }

  stop(): Promise<void> {
    this.#clusters.end();
    this.#filters.end();
    return this.#sds.stop();
  }

  discoveryChanged(): void {
    this.#clusters.pushChanged();
    this.#filters.pushChanged();
  }

  svidChanged(): void {
    this.#sds.pushChanged([IDENTITY_SECRET]);
    this.#api.changed();
    this.#health.changed();
  }

  trustChanged(): void {
    this.#sds.pushChanged([VALIDATION_SECRET]);
    this.#api.changed();
  }

  /** How far each secret has reached the proxies. */
  acknowledged(): readonly { readonly secret: string; readonly state: SdsAcknowledgement }[] {
    return [IDENTITY_SECRET, VALIDATION_SECRET].map((secret) => ({
      secret,
      state: this.#sds.acknowledged(secret),
    }));
  }

  #state(): WorkloadState {
    const own = this.#supply.ownBundle();
    const svid = this.#supply.svid();
    return {
      own,
      foreign: this.#supply.foreignBundles().filter(({ trustDomain }) => trustDomain !== own.trustDomain),
      identity: svid ? { ...svid, certificateChain: svid.chain } : 'awaited',
    };
  }

  #secretOf(name: string): SdsSecret | undefined {
    if (name === VALIDATION_SECRET) return this.#supply.validationSecret();
    const svid = name === IDENTITY_SECRET ? this.#supply.svid() : undefined;
    if (!svid) return undefined;
    return {
      name,
      kind: 'certificate',
      chainPem: pemFromCertificates(svid.chain),
      keyPem: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }
}

function clustersOf(supply: WorkloadSupply) {
  const secrets = { identity: IDENTITY_SECRET, validation: VALIDATION_SECRET };
  const { services } = supply.discovery();
  return new Map(services.map((each) => [clusterName(each), encodeDiscoveredService(each, secrets)]));
}

function filtersOf(supply: WorkloadSupply) {
  const { deny, allow } = supply.discovery().access;
  const filters = [
    { name: INBOUND_FILTERS.deny, rules: deny },
    { name: INBOUND_FILTERS.allow, rules: allow },
  ];
  return new Map(filters.map((filter) => [filter.name, encodeAccessFilter(filter)]));
}
