import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { sidecarConfigSchema } from '../../src/config/sidecar-config.ts';
import { sidecarBootstrap } from '../../src/envoy/bootstrap/sidecar-bootstrap.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { probeTls } from '../../src/demonstration/demo/tls-probe.ts';
import { svidFromPem } from '../../src/mtls/index.ts';
import { createMetrics, silentLog, systemClock } from '../../src/platform/index.ts';
import { pemFromCertificates, type TrustBundle } from '../../src/spiffe/index.ts';
import { type SdsSecret, SdsServer, WorkloadServer } from '../../src/workload-api/index.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
import type { TestCa, TestLeafOptions } from '../../testkit/test-ca.ts';
import { Child } from './child.ts';
import { until } from './until.ts';

export const OWN_CALLER = 'spiffe://a.example/caller';
export const FOREIGN_CALLER = 'spiffe://b.example/caller';

/** One mesh with an Envoy as the sidecar of a workload, fed by our workload socket; `a.example` is its own, `b.example` foreign. */
export class EnvoyWorld implements AsyncDisposable {
  readonly a: TestCa;
  readonly b: TestCa;
  own: TrustBundle;
  foreign: TrustBundle[];
  server: WorkloadServer;
  readonly #createServer: () => WorkloadServer;
  readonly #folder: string;
  readonly #workload: Server;
  readonly #port: number;
  #envoy: Child | undefined;

  private constructor(
    folder: string,
    a: TestCa,
    b: TestCa,
    leaf: Awaited<ReturnType<TestCa['issueLeaf']>>,
    port: number,
  ) {
    this.#folder = folder;
    this.a = a;
    this.b = b;
    this.own = a.bundle();
    this.foreign = [b.bundle()];
    this.#port = port;
    const svid = svidFromPem(leaf.certPem, leaf.keyPem);
    this.#createServer = () =>
      new WorkloadServer({
        own: () => this.own,
        foreign: () => this.foreign,
        svid: { current: () => svid, onChange: () => () => undefined },
        maxStreams: 100,
        clock: systemClock,
        log: silentLog,
        metrics: createMetrics({ processMetrics: false }),
      });
    this.server = this.#createServer();
    this.#workload = createServer((_, response) => response.end('ok'));
  }

  static async open(folder: string): Promise<EnvoyWorld> {
    const [a, b] = await Promise.all([presentCa('a.example'), presentCa('b.example')]);
    const leaf = await a.issueLeaf({ ...presentTimes(), path: '/workload' });
    const [port = 0] = await freePorts(1);
    const world = new EnvoyWorld(folder, a, b, leaf, port);
    await world.server.start(world.socket, 0o600);
    world.#workload.listen(0, '127.0.0.1');
    await once(world.#workload, 'listening');
    return world;
  }

  /** Another agent at the place of the one that was stopped. */
  async restartServer(): Promise<void> {
    this.server = this.#createServer();
    await this.server.start(this.socket, 0o600);
  }

  get socket(): string {
    return join(this.#folder, 'workload.sock');
  }

  /** Starts Envoy with `trust` as its secret; `trustSocket` is another SDS server for it, `delta` asks incrementally. */
  async startEnvoy(
    binary: string,
    trust: string,
    options: { readonly trustSocket?: string; readonly delta?: boolean } = {},
  ): Promise<void> {
    const { port } = this.#workload.address() as AddressInfo;
    const config = sidecarConfigSchema.parse({
      sds_socket: this.socket,
      inbound: {
        listen: `127.0.0.1:${this.#port}`,
        forward_to: `127.0.0.1:${port}`,
        allow: [OWN_CALLER, FOREIGN_CALLER],
      },
    });
    const bootstrap = sidecarBootstrap(config, {
      identitySocket: this.socket,
      trustSocket: options.trustSocket ?? this.socket,
      trustResource: trust,
    });
    const text = JSON.stringify(bootstrap);
    const file = join(this.#folder, 'envoy.json');
    writeFileSync(file, options.delta === true ? text.replaceAll('"GRPC"', '"DELTA_GRPC"') : text);
    this.#envoy = new Child(binary, [
      '-c',
      file,
      '--disable-hot-restart',
      '--concurrency',
      '1',
      '--log-level',
      'warning',
    ]);
    const caller = await this.leafOf(this.a, '/caller');
    await this.#envoy.until('Envoy lets our own caller in', () => this.call(caller));
  }

  /** A leaf of a CA for a path of its own trust domain, or whatever `options` say instead. */
  async leafOf(ca: TestCa, path: string, options: TestLeafOptions = {}) {
    const { certPem, keyPem } = await ca.issueLeaf({ ...presentTimes(), path, ...options });
    return { certificateChainPem: certPem, privateKeyPem: keyPem };
  }

  /** Whether a new connection with that identity gets an answer of the workload. */
  async call(identity: {
    readonly certificateChainPem: string;
    readonly privateKeyPem: string;
  }): Promise<boolean> {
    try {
      const seen = await probeTls({ port: this.#port, serverName: 'workload', identity });
      return seen.firstLine?.includes('200') === true;
    } catch {
      // Refused in the handshake itself.
      return false;
    }
  }

  /** Resolves when Envoy has acknowledged all of its secrets as they are now. */
  async settled(): Promise<void> {
    await until('Envoy acknowledges every secret', () => {
      const { proxySecrets } = this.server.serving();
      return proxySecrets.length > 0 && proxySecrets.every(({ current }) => current);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#envoy?.[Symbol.asyncDispose]();
    await this.server.stop();
    this.#workload.closeAllConnections();
    this.#workload.close();
  }
}

/** An SDS server with one secret of the test's own choice. */
export class OneSecret implements AsyncDisposable {
  readonly server: SdsServer;
  #secret: SdsSecret;

  constructor(secret: SdsSecret) {
    this.#secret = secret;
    this.server = new SdsServer({
      secrets: (name) => (name === this.#secret.name ? this.#secret : undefined),
      log: silentLog,
    });
  }

  replace(secret: SdsSecret): void {
    this.#secret = secret;
    this.server.pushChanged();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }
}

/** A pool of plain roots under one name, as a careless merge would make it. */
export function plainPool(name: string, ...cas: readonly TestCa[]): SdsSecret {
  return {
    name,
    kind: 'merged-validation',
    trustedCaPem: pemFromCertificates(cas.map(({ root }) => root)),
    allowedUriSans: [],
  };
}
