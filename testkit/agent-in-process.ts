import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { type AdminClient, createAdminClient } from '../src/admin-client/index.ts';
import { partsOfAgent } from '../src/agent/agent.ts';
import { type AgentConfig, agentConfigSchema } from '../src/config/agent-config.ts';
import { Parts } from '../src/platform/parts.ts';
import { freePorts } from '../src/demonstration/demo/free-ports.ts';
import { systemRandom } from '../src/platform/index.ts';
import { pemFromCertificates } from '../src/spiffe/index.ts';
import { openSqliteStore, type Store, type StoreError } from '../src/store/index.ts';
import { createRecordingLog } from './recording-log.ts';
import { tempDir } from './temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from './test-ca.ts';
import { TestClock } from './test-clock.ts';

const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };

/** A whole agent beside a mesh of files, in this process and by the clock of the test, with a store whose disk a test can break. */
export class AgentInProcess implements AsyncDisposable {
  readonly folder = tempDir();
  readonly clock = new TestClock(TEST_INSTANT);
  readonly log = createRecordingLog();
  readonly admin: AdminClient;
  readonly ca: TestCa;
  agent: Parts | undefined;
  readonly #ports: readonly number[];
  #more: object;
  #failure: StoreError | undefined;

  private constructor(ca: TestCa, ports: readonly number[], more: object) {
    this.ca = ca;
    this.#ports = ports;
    this.#more = more;
    const socketPath = this.folder.file('admin.sock');
    this.admin = createAdminClient({ socketPath, operator: 'test', timeoutMs: 20_000 });
  }

  /** Starts one and waits until it is ready. `more` is added to its config. */
  static async start(more: object = {}, trustDomain = 'a.example'): Promise<AgentInProcess> {
    const ca = await createTestCa({ trustDomain, ...LONG });
    const world = new AgentInProcess(ca, await freePorts(2), more);
    const leaf = await ca.issueLeaf({ path: '/federate', ...LONG });
    world.writeRoots(ca);
    writeFileSync(world.folder.file('svid.pem'), leaf.certPem);
    writeFileSync(world.folder.file('svid.key'), leaf.keyPem, { mode: 0o600 });
    await world.startAgain();
    await world.until(async () => (await world.admin.call('GET /v1/status')).ready);
    return world;
  }

  /** Another root of our own mesh, valid as long as the first. */
  anotherRoot(): Promise<TestCa> {
    return createTestCa({ trustDomain: this.ca.trustDomain, subject: 'CN=another', ...LONG });
  }

  writeRoots(...cas: readonly TestCa[]): void {
    writeFileSync(this.folder.file('roots.pem'), pemFromCertificates(cas.map(({ root }) => root)));
  }

  /** From now on each access to the store fails as a disk does; no more with `undefined`. */
  breakStore(error: StoreError | undefined): void {
    this.#failure = error;
  }

  /** Stops the agent, if it runs, and starts it on what it left. */
  async startAgain(): Promise<void> {
    await this.agent?.stop();
    const { clock, log, folder } = this;
    const loaded = { config: this.#config(), folder: folder.path, file: folder.file('agent.yaml') };
    const context = { clock, log, random: systemRandom, environment: {} };
    const agent = new Parts(await partsOfAgent(loaded, context, (options) => this.#open(options)), context);
    this.agent = agent;
    await agent.start();
  }

  /** Where other agents reach its bundle endpoint. */
  get url(): string {
    return `https://127.0.0.1:${this.#ports[0]}/`;
  }

  /** Asks the metrics server. */
  web(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#ports[1]}${path}`);
  }

  /** Moves time on until the condition holds. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let step = 0; step < 500 && !(await condition()); step += 1) await this.clock.advance(100);
    if (!(await condition()))
      throw new Error('the agent did not come into the state that the test waits for');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that was stopped already, perhaps with an error, is at its end.
    await this.agent?.stop().catch(() => {});
    this.folder[Symbol.dispose]();
  }

  /** The port of the bundle endpoint. */
  get port(): number {
    return this.#ports[0] ?? 0;
  }

  /** Writes the config file with other `more`, which a running agent reads by itself. */
  writeConfig(more: object): void {
    this.#more = more;
    writeFileSync(this.folder.file('agent.yaml'), stringify(this.#raw()));
  }

  #config(): AgentConfig {
    this.writeConfig(this.#more);
    return agentConfigSchema.parse(this.#raw());
  }

  #raw(): object {
    const [port, metricsPort] = this.#ports;
    const file = (name: string) => this.folder.file(name);
    return {
      trust_domain: this.ca.trustDomain,
      store: file('federate.db'),
      admin_socket: file('admin.sock'),
      metrics: `127.0.0.1:${metricsPort}`,
      mesh: {
        kind: 'files',
        own_pem_files: [file('roots.pem')],
        foreign_folder: file('foreign'),
        poll: '1s',
      },
      endpoint: {
        profile: 'https_spiffe',
        listen: `127.0.0.1:${port}`,
        url: `https://127.0.0.1:${port}/`,
        svid: { certificate_file: file('svid.pem'), key_file: file('svid.key') },
      },
      workload_api: { socket: file('workload.sock') },
      ...this.#more,
    };
  }

  async #open(options: Parameters<typeof openSqliteStore>[0]): Promise<Store> {
    const store = await openSqliteStore(options);
    return new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function' || name === 'close') return value;
        return (...words: unknown[]) => {
          if (!this.#failure) return Reflect.apply(value, target, words);
          options.observer?.failed(this.#failure);
          return Promise.reject(this.#failure);
        };
      },
    });
  }
}
