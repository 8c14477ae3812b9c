import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { addressOf, type Clock, closeAtOnce, type Log, type Random } from '../../../platform/index.ts';
import { requestListener } from '../request-listener.ts';
import { secretFromFile } from '../secret-file.ts';
import { SnapshotFile } from '../snapshot-file.ts';
import { adminAccount, agentAccount } from './access.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { kubernetesApi } from './kubernetes-api.ts';
import { ObjectStore, type StoreSnapshot } from './object-store.ts';
import { openServingCertificate } from './serving-certificate.ts';
import { listenForMesh } from '../listen.ts';

const MAX_CONNECTIONS = 1024;

interface KubernetesServerOptions {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly advertisedHost?: string | undefined;
  readonly agentKubeconfigFile: string;
  readonly adminKubeconfigFile?: string | undefined;
  /** The one ConfigMap that the agent may change. */
  readonly meshConfigMap: { readonly namespace: string; readonly name: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The simulated Kubernetes API on HTTPS; objects, serving CA and tokens are kept in a folder. */
export class KubernetesServer {
  readonly store: ObjectStore;
  readonly #options: KubernetesServerOptions;
  readonly #file: SnapshotFile<StoreSnapshot>;
  readonly #stopping = new AbortController();
  #server: Server | undefined;

  private constructor(
    options: KubernetesServerOptions,
    file: SnapshotFile<StoreSnapshot>,
    store: ObjectStore,
  ) {
    this.#options = options;
    this.#file = file;
    this.store = store;
  }

  /** Throws `SimulatedMeshError` `state-malformed`; the system's error otherwise. */
  static async open(options: KubernetesServerOptions): Promise<KubernetesServer> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const file = new SnapshotFile<StoreSnapshot>(join(options.folder, 'objects.json'));
    const store = new ObjectStore({
      snapshot: await file.load(),
      clock: options.clock,
      save: (snapshot) => file.save(snapshot),
    });
    return new KubernetesServer(options, file, store);
  }

  /** Listens, then writes the kubeconfigs. Throws the system's error, `EADDRINUSE` for one. */
  async start(): Promise<void> {
    const { folder, host, port, advertisedHost = host, meshConfigMap, clock, random, log } = this.#options;
    const serving = await openServingCertificate({
      folder,
      hosts: ['kubernetes', 'kubernetes.default.svc', 'localhost', '127.0.0.1', advertisedHost],
      clock,
    });
    const agentToken = await secretFromFile(join(folder, 'agent.token'), random);
    const adminToken = await secretFromFile(join(folder, 'admin.token'), random);
    const app = kubernetesApi({
      store: this.store,
      accounts: [agentAccount(agentToken, meshConfigMap), adminAccount(adminToken)],
      written: () => this.#file.written(),
      clock,
      random,
      log,
      signal: this.#stopping.signal,
    });
    const server = createServer(
      { cert: serving.certificatePem, key: serving.keyPem, minVersion: 'TLSv1.2', requestTimeout: 30_000 },
      requestListener(app, log),
    );
    server.maxConnections = MAX_CONNECTIONS;
    this.#server = server;
    await listenForMesh(server, { host, port }, 'the Kubernetes API of the simulated Istio');
    const authority = advertisedHost.includes(':') ? `[${advertisedHost}]` : advertisedHost;
    const cluster = {
      server: `https://${authority}:${this.address().port}`,
      caPem: serving.caPem,
      namespace: meshConfigMap.namespace,
    };
    await writeKubeconfig(this.#options.agentKubeconfigFile, {
      ...cluster,
      user: 'federate-agent',
      token: agentToken,
    });
    const { adminKubeconfigFile } = this.#options;
    if (adminKubeconfigFile !== undefined) {
      await writeKubeconfig(adminKubeconfigFile, { ...cluster, user: 'kubernetes-admin', token: adminToken });
    }
  }

  /** Where it listens. Throws `TypeError` when it does not. */
  address(): AddressInfo {
    return addressOf(this.#server, 'the Kubernetes API');
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#server) await closeAtOnce(this.#server);
    await this.#file.written();
  }
}
