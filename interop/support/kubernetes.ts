import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { freePorts } from '../../src/demo/free-ports.ts';
import { tempDir } from '../../test/support/temp-dir.ts';
import { Child } from './child.ts';

const ADMIN = 'admin-token';
const AGENT = 'agent-token';

/** What the API server answered. */
export interface KubernetesAnswer<Body> {
  readonly status: number;
  readonly body: Body;
}

/** A Kubernetes API server with its own etcd, on loopback, until the scope ends. */
export class Kubernetes {
  readonly #folder = tempDir();
  readonly #executable: string;
  #port = 0;
  #etcdPort = 0;
  #etcd: Child | undefined;
  #server: Child | undefined;

  private constructor(executable: string) {
    this.#executable = executable;
  }

  static async start(executable: string): Promise<Kubernetes> {
    const cluster = new Kubernetes(executable);
    const [port = 0, client = 0, peer = 0] = await freePorts(3);
    cluster.#port = port;
    cluster.#etcdPort = client;
    const [at, among] = [client, peer].map((each) => `http://127.0.0.1:${each}`) as [string, string];
    cluster.#etcd = new Child('etcd', [
      '--data-dir',
      cluster.file('etcd'),
      '--listen-client-urls',
      at,
      '--advertise-client-urls',
      at,
      '--listen-peer-urls',
      among,
      '--initial-advertise-peer-urls',
      among,
      '--initial-cluster',
      `default=${among}`,
    ]);
    spawnSync('openssl', ['genrsa', '-out', cluster.file('sa.key'), '2048']);
    spawnSync('openssl', ['rsa', '-in', cluster.file('sa.key'), '-pubout', '-out', cluster.file('sa.pub')]);
    writeFileSync(
      cluster.file('tokens.csv'),
      `${ADMIN},admin,admin,system:masters\n${AGENT},federate,federate\n`,
    );
    await cluster.restart();
    return cluster;
  }

  file(name: string): string {
    return this.#folder.file(name);
  }

  /** Kills the API server, if it runs, and starts it again on the same data. */
  async restart(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = new Child(this.#executable, [
      '--etcd-servers',
      `http://127.0.0.1:${this.#etcdPort}`,
      '--bind-address',
      '127.0.0.1',
      '--secure-port',
      `${this.#port}`,
      '--cert-dir',
      this.file('certs'),
      '--service-account-issuer',
      'https://kubernetes.example',
      '--service-account-key-file',
      this.file('sa.pub'),
      '--service-account-signing-key-file',
      this.file('sa.key'),
      '--service-cluster-ip-range',
      '10.0.0.0/24',
      // On by default from Kubernetes 1.37 on.
      '--feature-gates',
      'ClusterTrustBundle=true',
      '--runtime-config',
      'certificates.k8s.io/v1beta1/clustertrustbundles=true',
      '--token-auth-file',
      this.file('tokens.csv'),
      '--authorization-mode',
      'RBAC',
    ]);
    await this.#server.until(
      'it was ready',
      async () => (await this.ask('GET', '/readyz').catch(() => undefined))?.status === 200,
    );
  }

  /** Forgets all older versions of every object, as a cluster does after a while. */
  async compact(): Promise<void> {
    const etcd = `http://127.0.0.1:${this.#etcdPort}/v3/kv`;
    const key = Buffer.from('none').toString('base64');
    const range = await fetch(`${etcd}/range`, { method: 'POST', body: JSON.stringify({ key }) });
    const { header } = (await range.json()) as { header: { revision: string } };
    await fetch(`${etcd}/compaction`, {
      method: 'POST',
      body: JSON.stringify({ revision: header.revision }),
    });
  }

  /** One request of the cluster's administrator. */
  ask<Body>(method: string, path: string, body?: unknown): Promise<KubernetesAnswer<Body>> {
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          method,
          path,
          host: '127.0.0.1',
          port: this.#port,
          rejectUnauthorized: false,
          headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
          timeout: 5000,
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('end', () => {
            const text = Buffer.concat(parts).toString();
            resolve({
              status: response.statusCode ?? 0,
              body: (text.startsWith('{') ? JSON.parse(text) : text) as Body,
            });
          });
        },
      );
      asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** A kubeconfig for the agent, whose user may do nothing until a role is bound to `federate`. */
  writeKubeconfig(path: string): string {
    const authority = readFileSync(this.file('certs/apiserver.crt')).toString('base64');
    const server = `https://127.0.0.1:${this.#port}`;
    writeFileSync(
      path,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': authority } }],
        users: [{ name: 'u', user: { token: AGENT } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
      { mode: 0o600 },
    );
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    await this.#etcd?.[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}
