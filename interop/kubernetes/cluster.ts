import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { Child } from '../support/child.ts';
import { until } from '../support/until.ts';
import { etcdExecutable } from './executables.ts';

const ADMIN = 'admin-token';
const AGENT = 'agent-token';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const TIMEOUT_MS = 10_000;

/** What the API server answered. */
export interface KubernetesAnswer<Body> {
  readonly status: number;
  readonly body: Body;
}

/** A kind of object that a cluster does not bring with it. */
export interface ServedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly scope: 'Namespaced' | 'Cluster';
  readonly subresources?: { readonly status?: object };
}

/** A CustomResourceDefinition, as far as it is looked at here. */
export interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: { readonly plural: string; readonly singular: string; readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly [other: string]: unknown }[];
  };
}

/** A real Kubernetes API server with its own etcd, on loopback, with RBAC, until the scope ends. */
export class Cluster {
  readonly #folder = tempDir();
  readonly #executable: string;
  #port = 0;
  #etcdPorts: readonly [number, number] = [0, 0];
  #certificates = 'certificates';
  #etcd: Child | undefined;
  #server: Child | undefined;

  private constructor(executable: string) {
    this.#executable = executable;
  }

  /** Starts both and waits until the API server is ready; etcd is the one that FEDERATE_ETCD names, else that of the PATH. */
  static async start(executable: string): Promise<Cluster> {
    const cluster = new Cluster(executable);
    const [port = 0, client = 0, peer = 0] = await freePorts(3);
    cluster.#port = port;
    cluster.#etcdPorts = [client, peer];
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(cluster.file('sa.key'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
    writeFileSync(
      cluster.file('tokens.csv'),
      `${ADMIN},admin,admin,system:masters\n${AGENT},federate,federate\n`,
    );
    cluster.#startEtcd();
    await cluster.startServer();
    return cluster;
  }

  file(name: string): string {
    return this.#folder.file(name);
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** Starts the API server, which must not run, on the same data. */
  async startServer(): Promise<void> {
    const server = new Child(this.#executable, [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPorts[0]}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${this.#port}`,
      `--cert-dir=${this.file(this.#certificates)}`,
      '--service-account-issuer=https://kubernetes.example',
      `--service-account-key-file=${this.file('sa.key')}`,
      `--service-account-signing-key-file=${this.file('sa.key')}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      // On by default from Kubernetes 1.37 on.
      '--feature-gates=ClusterTrustBundle=true',
      '--runtime-config=certificates.k8s.io/v1beta1/clustertrustbundles=true',
      // Pods here have no service account, and nobody runs them.
      '--disable-admission-plugins=ServiceAccount',
      `--token-auth-file=${this.file('tokens.csv')}`,
      '--authorization-mode=RBAC',
    ]);
    this.#server = server;
    await server.until(
      'it was ready',
      async () => (await this.ask('GET', '/readyz').catch(() => undefined))?.status === 200,
    );
  }

  /** Ends the API server; etcd stays. */
  async stopServer(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  /** Makes the API server hang: it takes connections and answers nothing, until it is told to go on. */
  hang(still: boolean): void {
    this.#server?.hold(still);
  }

  async restart(): Promise<void> {
    await this.stopServer();
    await this.startServer();
  }

  /** From the next start on the API server shows another certificate, of which nobody has heard. */
  replaceCertificates(): void {
    this.#certificates = `${this.#certificates}-next`;
  }

  /** Keeps what etcd holds now, as a backup of the whole cluster does. */
  async backUp(name: string): Promise<void> {
    await this.#stopAll();
    cpSync(this.file('etcd'), this.file(name), { recursive: true });
    this.#startEtcd();
    await this.startServer();
  }

  /** Puts a backup in the place of what etcd holds: the cluster has forgotten what came after, its versions count on from there. */
  async restore(name: string): Promise<void> {
    await this.#stopAll();
    rmSync(this.file('etcd'), { recursive: true });
    cpSync(this.file(name), this.file('etcd'), { recursive: true });
    this.#startEtcd();
    await this.startServer();
  }

  /** Forgets all older versions of every object, as a cluster does after a while. */
  async compact(): Promise<void> {
    const etcd = `http://127.0.0.1:${this.#etcdPorts[0]}/v3/kv`;
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
    const sent = body === undefined ? '' : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const asked = request(
        new URL(path, this.url),
        {
          method,
          rejectUnauthorized: false,
          headers: {
            authorization: `Bearer ${ADMIN}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(sent),
          },
          timeout: TIMEOUT_MS,
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
      asked.on('error', reject).end(sent);
    });
  }

  /** The same, of which only the good answer's body is wanted. Throws with what the server said instead. */
  async call<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await this.ask<Body>(method, path, body);
    assert(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async createNamespaces(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.call('POST', '/api/v1/namespaces', { metadata: { name } });
  }

  /** Makes the cluster serve a kind of object; what is in one is not looked at. */
  async serve({ group, version, kind, plural, scope, subresources = {} }: ServedKind): Promise<void> {
    const schema = {
      openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    };
    await this.define({
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope,
        names: { kind, plural, singular: kind.toLowerCase() },
        versions: [{ name: version, served: true, storage: true, schema, subresources }],
      },
    });
  }

  /** Applies a CustomResourceDefinition and waits until its first version is served. */
  async define(definition: Definition): Promise<void> {
    const { group, names, versions } = definition.spec;
    await this.call('POST', DEFINITIONS, definition);
    const path = `/apis/${group}/${versions[0]?.name}/${names.plural}`;
    await until(`${names.plural} to be served`, async () => (await this.ask('GET', path)).status === 200);
  }

  /** Takes a kind away with every object of it. */
  async undefine({ group, plural }: Pick<ServedKind, 'group' | 'plural'>): Promise<void> {
    await this.call('DELETE', `${DEFINITIONS}/${plural}.${group}`);
    await until(
      `${plural} to be gone`,
      async () => (await this.ask('GET', `${DEFINITIONS}/${plural}.${group}`)).status === 404,
    );
  }

  /** Lets the agent, or another subject, do this in one namespace or in the whole cluster. */
  async allow(
    name: string,
    rules: readonly object[],
    namespace?: string,
    subject: object = { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'federate' },
  ): Promise<void> {
    const kind = namespace === undefined ? 'ClusterRole' : 'Role';
    const within = namespace === undefined ? RBAC : `${RBAC}/namespaces/${namespace}`;
    const metadata = { name };
    await this.call('POST', `${within}/${kind.toLowerCase()}s`, { metadata, rules });
    await this.call('POST', `${within}/${kind.toLowerCase()}bindings`, {
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
      subjects: [subject],
    });
  }

  /** Takes from the agent what `allow` gave it under this name. */
  async forbid(name: string, namespace?: string): Promise<void> {
    const [within, kind] =
      namespace === undefined ? [RBAC, 'clusterrole'] : [`${RBAC}/namespaces/${namespace}`, 'role'];
    await this.call('DELETE', `${within}/${kind}bindings/${name}`);
    await this.call('DELETE', `${within}/${kind}s/${name}`);
  }

  /** Writes a kubeconfig for the agent, whose user `federate` may do nothing until it is allowed. */
  writeKubeconfig(path = this.file('agent.kubeconfig'), user: object = { token: AGENT }): string {
    const authority = readFileSync(this.file(`${this.#certificates}/apiserver.crt`)).toString('base64');
    return this.#writeKubeconfig(path, { 'certificate-authority-data': authority }, user);
  }

  /** Writes a kubeconfig for a program that may do everything. */
  writeAdminKubeconfig(path = this.file('admin.kubeconfig')): string {
    return this.#writeKubeconfig(path, { 'insecure-skip-tls-verify': true }, { token: ADMIN });
  }

  #writeKubeconfig(path: string, trust: object, user: object): string {
    writeFileSync(
      path,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: { server: this.url, ...trust } }],
        users: [{ name: 'u', user }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
      { mode: 0o600 },
    );
    return path;
  }

  #startEtcd(): void {
    const [at, among] = this.#etcdPorts.map((port) => `http://127.0.0.1:${port}`);
    this.#etcd = new Child(etcdExecutable() ?? 'etcd', [
      `--data-dir=${this.file('etcd')}`,
      `--listen-client-urls=${at}`,
      `--advertise-client-urls=${at}`,
      `--listen-peer-urls=${among}`,
      `--initial-advertise-peer-urls=${among}`,
      `--initial-cluster=default=${among}`,
    ]);
  }

  async #stopAll(): Promise<void> {
    await this.stopServer();
    await this.#etcd?.[Symbol.asyncDispose]();
    this.#etcd = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopAll();
    this.#folder[Symbol.dispose]();
  }
}
