import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Log } from '../../platform/index.ts';
import { pemFromCertificates, type TrustBundle } from '../../spiffe/index.ts';
import {
  HealthService,
  type SdsAcknowledgement,
  type SdsSecret,
  SdsServer,
  SpiffeWorkloadApi,
  type WorkloadState,
} from '../../workload-api/index.ts';
import type { WorkloadSvid } from './workload-identities.ts';

/** The names under which proxies request their identity and their trust, in both products. */
export const IDENTITY_SECRET = 'default';
export const VALIDATION_SECRET = 'ROOTCA';

/** Of the health of one socket. */
const MAX_WATCHERS = 64;

/** The current SVID and trust of one workload. */
export interface WorkloadSupply {
  /** Undefined before the first is issued. */
  svid(): WorkloadSvid | undefined;
  ownBundle(): TrustBundle;
  /** Foreign bundles by trust domain; one of our own name is not given out. */
  foreignBundles(): readonly TrustBundle[];
  /** The same trust as the product's proxies get it. */
  validationSecret(): SdsSecret;
}

/**
 * The Unix socket of one workload: SDS for its proxy and the SPIFFE Workload API for itself, as on
 * that of a SPIRE agent. The socket identifies the caller: a process that may open it is the
 * workload, and only that workload's SVID is given out on it.
 */
export class WorkloadSocket {
  readonly #supply: WorkloadSupply;
  readonly #sds: SdsServer;
  readonly #api: SpiffeWorkloadApi;
  readonly #health: HealthService;

  constructor(supply: WorkloadSupply, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#supply = supply;
    this.#api = new SpiffeWorkloadApi({ state: () => this.#state(), clock });
    this.#health = new HealthService({
      serving: () => supply.svid() !== undefined,
      maxStreams: MAX_WATCHERS,
    });
    this.#sds = new SdsServer({
      secrets: (name) => this.#secretOf(name),
      beside: [this.#api, this.#health],
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
    return this.#sds.stop();
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
