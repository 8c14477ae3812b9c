import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { closeAtOnce, type Log } from '../../../platform/index.ts';
import { parseTrustDomain, spiffeIdOf, type TrustDomain } from '../../../spiffe/index.ts';
import type { ControlStatus, ForgedIdentity, RotationStep } from '../control-status.ts';
import { ControlPlane, type Workload } from '../control-plane.ts';
import { SimulatedMeshError } from '../errors.ts';
import { requestListener } from '../request-listener.ts';
import { secretFromFile } from '../secret-file.ts';
import { SnapshotFile } from '../snapshot-file.ts';
import { WorkloadIdentities } from '../workload-identities.ts';
import { VALIDATION_SECRET, type WorkloadDiscovery } from '../workload-socket.ts';
import { consulCertificateProfile } from './certificate-profile.ts';
import { consulApi } from './consul-api.ts';
import { type ConsulSnapshot, ConsulState } from './consul-state.ts';
import { importedInstances, ownInstances } from './discovery/catalog.ts';
import { accessByIntentions } from './discovery/intentions.ts';
import { importedServices, ownServices, workloadId } from './discovery/upstreams.ts';
import type { SimulatedConsulOptions } from './options.ts';
import { PeeringDialer } from './peering-dialer.ts';
import { PeeringServer } from './peering-server.ts';
import { Peerings } from './peerings.ts';
import { foreignBundles, foreignStatus, perDomainValidationSecret } from './per-domain-trust.ts';
import { listenForMesh } from '../listen.ts';

const DEFAULT_DATACENTER = 'dc1';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Life of the peering listener's own certificate, as the product's default. */
const SERVER_CERTIFICATE_TTL_MS = 72 * 3_600_000;

/** Blocking queries hold one each. */
const MAX_HTTP_CONNECTIONS = 1024;

interface Parts {
  readonly state: ConsulState;
  readonly file: SnapshotFile<ConsulSnapshot>;
  readonly plane: ControlPlane;
  readonly peerings: Peerings;
  readonly peeringServer: PeeringServer;
  readonly serverIdentity: WorkloadIdentities;
  readonly dialer: PeeringDialer;
  readonly http: Server;
}

/**
 * A Consul-flavoured control plane: the HTTP API with blocking queries, cluster peering over gRPC,
 * the Connect CA, and what a server makes of the peers' bundles for its proxies. An adapter cannot
 * distinguish it from the product.
 */
export class SimulatedConsul {
  readonly trustDomain: TrustDomain;
  readonly #options: SimulatedConsulOptions;
  readonly #datacenter: string;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #parts: Parts | undefined;
  #leaderAddress: string | undefined;

  /** Throws `RangeError` when `uuid` is not a UUID in lower case. */
  constructor(options: SimulatedConsulOptions) {
    if (!UUID.test(options.uuid)) throw new RangeError('the cluster ID is a UUID in lower case');
    this.#options = options;
    this.#datacenter = options.datacenter ?? DEFAULT_DATACENTER;
    this.trustDomain = parseTrustDomain(`${options.uuid}.consul`);
    this.#log = options.log.with({ mesh: 'consul', trustDomain: this.trustDomain });
  }

  /**
   * Brings up the CA, the peering listener, the HTTP API, the workloads' sockets and the control
   * socket, then logs `control plane ready`. Throws `SimulatedMeshError` `ca-…`, `state-malformed`;
   * the system's error for a port or socket that is taken.
   */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      // Stop the parts that had started before the failure, to free their ports and sockets.
      await this.stop();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const parts = await this.#open();
    this.#parts = parts;
    this.#seedDefaults(parts.state);
    const { state, plane, peerings, peeringServer, serverIdentity, http } = parts;
    plane.authority.onChange(() => {
      state.changed('roots');
      peerings.rootsChanged();
      // A new signer has a new chain; the certificate of the peering listener must not outlive the
      // old one.
      serverIdentity.reissueAll().catch((error: unknown) => {
        this.#log.error('certificate of the peering listener not renewed', { error });
      });
    });
    await serverIdentity.start();
    await peeringServer.start(this.#options.peering, identityOf(serverIdentity));
    await plane.start();
    await listenForMesh(http, this.#options.http, 'the HTTP API of the simulated Consul');
    peerings.resume();
    await plane.openControl();
    this.#log.info('control plane ready', {
      http: `http://${this.#options.http.host}:${this.httpAddress().port}`,
      peering: this.#serverAddress(),
      controlSocket: this.#options.controlSocket,
    });
  }

  /** Ends every query and stream and closes the sockets; what was acknowledged is on disk. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const parts = this.#parts;
    if (!parts) return;
    await closeAtOnce(parts.http);
    await parts.dialer.stop();
    await parts.peerings.settled();
    await parts.peeringServer.stop();
    await parts.serverIdentity.stop();
    await parts.plane.stop();
    await parts.file.written();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Where the HTTP API listens. Throws `not-started`. */
  httpAddress(): AddressInfo {
    const address = this.#started().http.address();
    if (typeof address === 'object' && address) return address;
    throw new SimulatedMeshError('not-started', 'the HTTP API of the simulated Consul does not listen');
  }

  /** Where peers open their streams. Throws `not-started`. */
  peeringAddress(): AddressInfo {
    return this.#started().peeringServer.address();
  }

  /** The answer of the control socket's `GET /status`. Throws `not-started`. */
  status(): ControlStatus {
    return this.#started().plane.status();
  }

  /** One step of a root rotation. Throws `rotation-phase`, `not-started`. */
  async rotate(step: RotationStep): Promise<ControlStatus> {
    return this.#started().plane.rotate(step);
  }

  /** Signs any SPIFFE ID: the demonstration's insider attack, see `ControlPlane.forge`. */
  async forge(id: string): Promise<ForgedIdentity> {
    return this.#started().plane.forge(id);
  }

  /** All indexes start low again, as after a snapshot was restored; blocking queries return. */
  resetIndexes(): void {
    this.#started().state.resetIndexes();
  }

  /**
   * Plays a follower: peering calls are sent away to the leader at `host:port`. Undefined ends it.
   */
  redirectPeersTo(leaderAddress: string | undefined): void {
    this.#leaderAddress = leaderAddress;
  }

  async #open(): Promise<Parts> {
    const { folder, clock, random, aclTokenFile } = this.#options;
    const log = this.#log;
    const signal = this.#stopping.signal;
    const plane = await ControlPlane.open({
      kind: 'consul',
      folder,
      trustDomain: this.trustDomain,
      profile: consulCertificateProfile,
      workloads: this.#workloads(),
      svidTtlMs: this.#options.svidTtlMs,
      controlSocket: this.#options.controlSocket,
      effect: {
        validationSecret: (ownRoots) =>
          perDomainValidationSecret({
            name: VALIDATION_SECRET,
            trustDomain: this.trustDomain,
            ownRoots,
            peerings: this.#started().state.peerings(),
          }),
        foreign: () => foreignStatus(this.#started().state.peerings()),
        foreignBundles: () => foreignBundles(this.#started().state.peerings()),
        refused: () => undefined,
        discovery: (name) => this.#discoveryOf(name),
      },
      onSvidRenewed: () => this.#parts?.state.changed('leaves'),
      clock,
      log,
    });
    const file = new SnapshotFile<ConsulSnapshot>(join(folder, 'consul', 'state.json'));
    const state = await ConsulState.open(file);
    const ownRoots = () => plane.authority.roots();
    const peerings: Peerings = new Peerings({
      state,
      trustDomain: this.trustDomain,
      datacenter: this.#datacenter,
      ownRoots,
      serverAddress: () => this.#serverAddress(),
      onTrustChanged: () => {
        plane.trustChanged();
        // Intentions name a peer, whose trust domain its bundle tells.
        plane.discoveryChanged();
      },
      onServicesChanged: () => plane.discoveryChanged(),
      onDial: ({ name }) => dialer.dial(name),
      clock,
      log,
      signal,
    });
    const dialer = new PeeringDialer({
      state,
      peerings,
      datacenter: this.#datacenter,
      clock,
      random,
      log,
      signal,
    });
    const peeringServer = new PeeringServer({ peerings, leaderAddress: () => this.#leaderAddress, log });
    const serverIdentity: WorkloadIdentities = new WorkloadIdentities({
      authority: plane.authority,
      workloads: [
        {
          name: SERVER,
          id: spiffeIdOf(this.trustDomain, `/agent/server/dc/${this.#datacenter}`),
          dnsSans: [peerings.serverName],
        },
      ],
      ttlMs: SERVER_CERTIFICATE_TTL_MS,
      clock,
      log,
      onRenewed: () => peeringServer.useIdentity(identityOf(serverIdentity)),
    });
    const app = consulApi({
      state,
      peerings,
      trustDomain: this.trustDomain,
      datacenter: this.#datacenter,
      ownRoots,
      leafOf: (service) => {
        const workload = this.#options.workloads.find((each) => each.service === service);
        return workload && plane.svidOf(workload.name);
      },
      catalog: {
        own: () => ownInstances(this.#options.workloads, this.#datacenter),
        imported: (peer) => {
          const peering = state.peering(peer);
          return peering ? importedInstances(peering) : [];
        },
      },
      intentionDefault: this.#options.intentionDefault,
      grpcPort: () => this.peeringAddress().port,
      onConfigChanged: () => plane.discoveryChanged(),
      aclToken: aclTokenFile === undefined ? undefined : await secretFromFile(aclTokenFile, random),
      written: () => file.written(),
      clock,
      random,
      log,
      signal,
    });
    const http = createServer(requestListener(app, log));
    http.maxConnections = MAX_HTTP_CONNECTIONS;
    return { state, file, plane, peerings, peeringServer, serverIdentity, dialer, http };
  }

  /** What a server makes of the catalog and the intentions for the proxy of one workload. */
  #discoveryOf(name: string): WorkloadDiscovery {
    const { state } = this.#started();
    const { workloads, aclTokenFile, intentionDefault } = this.#options;
    const workload = workloads.find((each) => each.name === name);
    if (!workload) throw new TypeError('unreachable: only workloads of the options have sockets');
    const entry = (destination: string) => state.configEntry('service-intentions', destination)?.body;
    return {
      services: [
        ...ownServices(workloads, { datacenter: this.#datacenter, trustDomain: this.trustDomain }),
        ...importedServices(state.peerings()),
      ],
      access: accessByIntentions(
        { own: entry(workload.service), all: entry('*') },
        {
          fallback: intentionDefault ?? (aclTokenFile === undefined ? 'allow' : 'deny'),
          trustDomainOf: (peer) => state.peering(peer)?.trustBundle?.trustDomain,
        },
      ),
    };
  }

  #workloads(): Workload[] {
    return this.#options.workloads.map((workload) => ({
      name: workload.name,
      id: workloadId(workload, { datacenter: this.#datacenter, trustDomain: this.trustDomain }),
      sdsSocket: workload.sdsSocket,
    }));
  }

  /** The protocol of each service, where the operator set none. */
  #seedDefaults(state: ConsulState): void {
    for (const { service, proxy } of this.#options.workloads) {
      if (proxy?.protocol === undefined || state.configEntry('service-defaults', service)) continue;
      const body = { Kind: 'service-defaults', Name: service, Protocol: proxy.protocol };
      state.putConfigEntry({ kind: 'service-defaults', name: service, body });
    }
  }

  #serverAddress(): string {
    const { host, advertisedHost = host } = this.#options.peering;
    return `${advertisedHost.includes(':') ? `[${advertisedHost}]` : advertisedHost}:${this.peeringAddress().port}`;
  }

  #started(): Parts {
    if (this.#parts) return this.#parts;
    throw new SimulatedMeshError('not-started', 'the simulated Consul is not started');
  }
}

const SERVER = 'peering-server';

function identityOf(identities: WorkloadIdentities) {
  const identity = identities.current(SERVER);
  if (identity) return identity;
  throw new SimulatedMeshError('not-started', 'the peering listener has no certificate yet');
}
