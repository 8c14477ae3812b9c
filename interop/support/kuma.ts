import { createSign, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { Child } from './child.ts';
import { until } from './until.ts';

const KEY_ID = 'interop';
const DAY_SECONDS = 86_400;
const TRUSTS = '/meshes/default/meshtrusts';

/** A MeshTrust as the REST API tells it, as far as the checks look at it. */
export interface SeenMeshTrust {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly trustDomain: string;
    readonly caBundles: readonly { readonly pem?: { readonly value: string } }[];
  };
  readonly status?: { readonly origin?: { readonly kri?: string } };
}

/**
 * A Kuma control plane in universal mode with everything in memory, whose mesh has an identity of its own, until the scope ends. It does
 * not take requests from this machine for those of the administrator, as it does by default: otherwise no token would be looked at.
 */
export class KumaControlPlane {
  readonly #folder = tempDir();
  /** Signs tokens for the administrator. */
  readonly #keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  readonly #executable: string;
  #ports: readonly number[] = [];
  #process: Child | undefined;

  private constructor(executable: string) {
    this.#executable = executable;
  }

  static async start(executable: string): Promise<KumaControlPlane> {
    const controlPlane = new KumaControlPlane(executable);
    controlPlane.#ports = await freePorts(6);
    await controlPlane.run();
    return controlPlane;
  }

  file(name: string): string {
    return this.#folder.file(name);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#ports[0]}`;
  }

  /** Starts it, with an empty store; it must not run. */
  async run(): Promise<void> {
    const [http, https, diagnostics, dataplanes, between, monitoring] = this.#ports.map(String);
    mkdirSync(this.file('work'), { recursive: true });
    const key = this.#keys.publicKey.export({ type: 'pkcs1', format: 'pem' });
    writeFileSync(this.file('key.pem'), key);
    const publicKeys = [{ kid: KEY_ID, keyFile: this.file('key.pem') }];
    // JSON is YAML too.
    const config = { apiServer: { authn: { tokens: { validator: { publicKeys } } } } };
    writeFileSync(this.file('kuma-cp.yaml'), JSON.stringify(config));
    const options = ['run', '--log-level', 'info', '--config-file', this.file('kuma-cp.yaml')];
    const process = new Child(this.#executable, options, {
      KUMA_API_SERVER_AUTHN_LOCALHOST_IS_ADMIN: 'false',
      KUMA_API_SERVER_HTTP_INTERFACE: '127.0.0.1',
      KUMA_API_SERVER_HTTPS_INTERFACE: '127.0.0.1',
      KUMA_REPORTS_ENABLED: 'false',
      KUMA_ENVIRONMENT: 'universal',
      KUMA_STORE_TYPE: 'memory',
      KUMA_GENERAL_WORK_DIR: this.file('work'),
      KUMA_API_SERVER_HTTP_PORT: http,
      KUMA_API_SERVER_HTTPS_PORT: https,
      KUMA_DIAGNOSTICS_SERVER_PORT: diagnostics,
      KUMA_DP_SERVER_PORT: dataplanes,
      KUMA_INTER_CP_SERVER_PORT: between,
      KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: monitoring,
    });
    this.#process = process;
    await process.until('the default mesh', async () =>
      this.ask('GET', '/meshes/default').then(
        () => true,
        () => false,
      ),
    );
    // In any other mode Kuma makes no MeshTrust of a MeshIdentity.
    const meshServices = { mode: 'Exclusive' };
    await this.ask('PUT', '/meshes/default', { type: 'Mesh', name: 'default', meshServices });
    await this.ask('PUT', '/meshes/default/meshidentities/identity', identity());
    await until('the MeshTrust of the identity', async () => await this.own());
  }

  async stop(): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
    this.#process = undefined;
  }

  /** A token of the administrator, in a file. */
  async writeToken(path = this.file('token')): Promise<string> {
    writeFileSync(path, this.#token(), { mode: 0o600 });
    return path;
  }

  #token(): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      Name: 'interop',
      Groups: ['mesh-system:admin'],
      jti: 'interop',
      iat: now,
      nbf: now - 60,
      exp: now + DAY_SECONDS,
    };
    const text = [{ alg: 'RS256', typ: 'JWT', kid: KEY_ID }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = createSign('sha256').update(text).sign(this.#keys.privateKey, 'base64url');
    return `${text}.${signature}`;
  }

  async trusts(): Promise<readonly SeenMeshTrust[]> {
    return (await this.ask<{ items: readonly SeenMeshTrust[] }>('GET', TRUSTS)).items;
  }

  /** The MeshTrust that it made from the identity; undefined until it has. */
  async own(): Promise<SeenMeshTrust | undefined> {
    return (await this.trusts()).find(({ status }) => status?.origin?.kri !== undefined);
  }

  /** One MeshTrust that somebody made by hand. */
  async putTrust(name: string, trustDomain: string, pem: string): Promise<void> {
    const spec = { trustDomain, caBundles: [{ type: 'Pem', pem: { value: pem } }] };
    await this.ask('PUT', `${TRUSTS}/${name}`, { type: 'MeshTrust', mesh: 'default', name, spec });
  }

  /** One request of the administrator. Throws with what it said instead of a good answer. */
  async ask<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await fetch(new URL(path, this.url), {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.#token()}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
    return (text === '' ? undefined : JSON.parse(text)) as Body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#folder[Symbol.dispose]();
  }
}

/** An identity whose CA the control plane makes itself. */
function identity() {
  return {
    type: 'MeshIdentity',
    mesh: 'default',
    name: 'identity',
    spec: {
      selector: { dataplane: { matchLabels: {} } },
      spiffeID: { trustDomain: '{{ .Mesh }}.{{ .Zone }}.mesh.local', path: '/workload/{{ .Workload }}' },
      provider: {
        type: 'Bundled',
        bundled: {
          meshTrustCreation: 'Enabled',
          insecureAllowSelfSigned: true,
          autogenerate: { enabled: true },
        },
      },
    },
  };
}
