import { once } from 'node:events';
import { Agent, createServer, type IncomingHttpHeaders, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMetrics, systemRandom } from '../../src/platform/index.ts';
import {
  fixedUpstream,
  type OutboundOptions,
  Sidecar,
  type SidecarOptions,
} from '../../src/demonstration/sidecar/index.ts';
import {
  parseTrustDomain,
  pemFromCertificates,
  type SpiffeId,
  type TrustBundle,
} from '../../src/spiffe/index.ts';
import { type SdsSecret, SdsServer } from '../../src/workload-api/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

export type TestLeaf = Awaited<ReturnType<TestCa['issueLeaf']>>;

/** One listener of a workload, whose calls go to one endpoint on loopback. */
export function outboundTo(port: number, ...spiffeIds: SpiffeId[]): OutboundOptions {
  const endpoint = { address: '127.0.0.1', port, serverName: 'info.test', spiffeIds, priority: 0 };
  return {
    listen: { host: '127.0.0.1', port: 0 },
    upstream: fixedUpstream({ name: 'info', endpoints: [endpoint] }),
  };
}

/** Trust per trust domain, as Consul hands it out. */
export function perDomain(...bundles: TrustBundle[]): SdsSecret {
  return {
    name: 'ROOTCA',
    kind: 'spiffe-validation',
    trustDomains: bundles.map(({ trustDomain, x509Authorities }) => ({
      name: trustDomain,
      trustBundlePem: pemFromCertificates(x509Authorities.map(({ der }) => der)),
    })),
  };
}

/** One pool and the trust domains let in, as Istio hands it out. */
export function merged(roots: readonly Uint8Array[], ...trustDomains: string[]): SdsSecret {
  return {
    name: 'ROOTCA',
    kind: 'merged-validation',
    trustedCaPem: pemFromCertificates(roots),
    allowedUriSans: trustDomains.map((name) => ({ prefix: `spiffe://${parseTrustDomain(name)}/` })),
  };
}

export interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** One call in plain HTTP, on a connection of its own. */
export async function call(
  port: number,
  options: {
    method?: string;
    headers?: Record<string, string | string[]>;
    body?: string;
    path?: string;
  } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body, path = '/' } = options;
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: new Agent() });
  outgoing.end(body);
  const [incoming] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of incoming) text += chunk;
  return { status: incoming.statusCode, body: text, headers: incoming.headers };
}

/** Meshes, sidecars and workloads that end with the test. */
export class World {
  readonly clock = new TestClock(TEST_INSTANT);
  readonly log = createRecordingLog();
  readonly #closers: (() => unknown)[] = [];

  [Symbol.asyncDispose] = async (): Promise<void> => {
    for (const close of this.#closers.splice(0).reverse()) await close();
  };

  add(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** A workload in plain HTTP. */
  async workload(listener: RequestListener): Promise<number> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.add(() => {
      server.close();
      server.closeAllConnections();
    });
    return (server.address() as AddressInfo).port;
  }

  /**
   * A sidecar with its own SDS server, whose secrets the test changes; it is ready when this
   * resolves.
   */
  async sidecar(leaf: TestLeaf, trust: SdsSecret, options: Partial<SidecarOptions>) {
    const folder = tempDir();
    this.add(() => folder[Symbol.dispose]());
    const certificate = (each: TestLeaf): SdsSecret => ({
      name: 'default',
      kind: 'certificate',
      chainPem: each.certPem,
      keyPem: each.keyPem,
    });
    const secrets = new Map([
      ['default', certificate(leaf)],
      ['ROOTCA', trust],
    ]);
    const server = new SdsServer({ secrets: (name) => secrets.get(name), log: this.log });
    await server.start(folder.file('sds.sock'));
    this.add(() => server.stop());
    const metrics = createMetrics({ processMetrics: false });
    const sidecar = new Sidecar({
      supply: {
        kind: 'sds',
        socket: folder.file('sds.sock'),
        certificateResource: 'default',
        trustResource: 'ROOTCA',
      },
      outbound: [],
      drainMs: 50,
      clock: this.clock,
      random: systemRandom,
      log: this.log,
      metrics,
      ...options,
    });
    await sidecar.start();
    this.add(() => sidecar.stop());
    /** Hands out a secret and waits until the sidecar has taken it up, or refused it. */
    const give = async (secret: SdsSecret): Promise<void> => {
      secrets.set(secret.name, secret);
      server.pushChanged();
      await settled();
    };
    const settled = async () => {
      for (;;) {
        const waiting = ['default', 'ROOTCA'].some((name) => {
          const { currentVersion, proxies } = server.acknowledged(name);
          return !proxies.some(
            (proxy) => proxy.acknowledged === currentVersion || proxy.refused !== undefined,
          );
        });
        if (!waiting) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await settled();
    return { sidecar, server, metrics, give, renew: (each: TestLeaf) => give(certificate(each)) };
  }
}
