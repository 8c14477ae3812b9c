import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { Child } from './child.ts';
import { spireServerConfig, spireSocket } from './spire-config.ts';

const FEDERATE = join(import.meta.dirname, '../../bin/federate.js');

/** What a SPIRE server is to be beyond the plain one: an `https_spiffe` endpoint, and keys that do not outlive the process. */
export interface SpireWish {
  /** Default `spire.example`. */
  readonly trustDomain?: string;
  readonly keys?: 'disk' | 'memory';
  /** The files of the certificate that its endpoint shows instead of its own SVID (`https_web`). */
  readonly web?: { readonly certificateFile: string; readonly keyFile: string };
  readonly env?: NodeJS.ProcessEnv;
}

/** A SPIRE server, of the trust domain `spire.example` unless another is wished for, with a bundle endpoint, on loopback, until the scope ends. */
export class Spire {
  readonly #folder = tempDir();
  readonly #executable: string;
  readonly #wish: SpireWish;
  readonly endpointUrl: string;
  readonly #apiPort: number;
  #server: Child | undefined;

  private constructor(executable: string, wish: SpireWish, apiPort: number, endpointPort: number) {
    this.#executable = executable;
    this.#wish = wish;
    this.#apiPort = apiPort;
    this.endpointUrl = `https://localhost:${endpointPort}/`;
    const { web, keys = 'memory', trustDomain = 'spire.example' } = wish;
    writeFileSync(
      this.file('server.conf'),
      spireServerConfig({ folder: this.#folder.path, trustDomain, apiPort, endpointPort, keys, web }),
    );
    this.#writeCommands();
  }

  /** The two commands as their users have them at hand: SPIRE's knows its socket, ours is the one of this tree. */
  #writeCommands(): void {
    mkdirSync(this.file('bin'));
    const put = (name: string, line: string) =>
      writeFileSync(this.file(`bin/${name}`), `#!/bin/sh\nexec ${line}\n`, { mode: 0o755 });
    // The socket is an option of the command, after its words.
    put('spire-server', `'${this.#executable}' "$@" -socketPath '${this.socket}'`);
    put('federate', `'${process.execPath}' '${FEDERATE}' "$@"`);
  }

  static async start(executable: string, wish: SpireWish = {}): Promise<Spire> {
    const [apiPort = 0, endpointPort = 0] = await freePorts(2);
    const spire = new Spire(executable, wish, apiPort, endpointPort);
    await spire.start();
    return spire;
  }

  /** Starts it again after `stop()`. */
  async start(): Promise<void> {
    mkdirSync(this.file('data'), { recursive: true });
    const server = new Child(
      this.#executable,
      ['run', '-config', this.file('server.conf')],
      this.#wish.env ?? {},
    );
    this.#server = server;
    await server.until('it was healthy', () => this.#run(['healthcheck']).status === 0);
  }

  /** Adds to its configuration, for its next start. */
  configure(text: string): void {
    appendFileSync(this.file('server.conf'), `${text}\n`);
  }

  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Its API over TCP, as `host:port`. */
  get address(): string {
    return `127.0.0.1:${this.#apiPort}`;
  }

  /** What it has logged since it was started last. */
  get log(): string {
    return `${this.#server?.out ?? ''}${this.#server?.err ?? ''}`;
  }

  /** The folder in which it keeps its state; to lose its database, remove it while it is stopped. */
  get data(): string {
    return this.file('data');
  }

  /** The server's own socket, whose callers are administrators. */
  get socket(): string {
    return spireSocket(this.#folder.path);
  }

  file(name: string): string {
    return this.#folder.file(name);
  }

  /** What one of the server's commands prints. Throws with what it said when it fails. */
  say(...words: readonly string[]): string {
    const { status, stdout, stderr } = this.#run(words);
    if (status !== 0) throw new Error(`spire-server ${words.join(' ')} failed: ${stdout}${stderr}`);
    return stdout;
  }

  /** What a line of shell prints that uses `spire-server` and `federate`. Throws with what it said when it fails. */
  shell(line: string, env: NodeJS.ProcessEnv = {}): string {
    const path = [this.file('bin'), process.env['PATH'] ?? ''].join(delimiter);
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], {
      encoding: 'utf8',
      timeout: 20_000,
      env: { ...process.env, ...env, PATH: path },
    });
    if (status !== 0) throw new Error(`${line} failed: ${stdout}${stderr}`);
    return stdout;
  }

  /** What the server holds for a foreign trust domain, as its command prints it; without a sequence when it polled it itself. */
  federated(trustDomain: string): {
    readonly keys: readonly { readonly use: string }[];
    readonly spiffe_sequence?: number;
    readonly spiffe_refresh_hint?: number;
  } {
    return JSON.parse(this.say('bundle', 'list', '-id', `spiffe://${trustDomain}`, '-format', 'spiffe'));
  }

  /** How many keys the server holds for a foreign trust domain. */
  federatedKeys(trustDomain: string): number {
    return this.federated(trustDomain).keys.length;
  }

  /** Registers a workload under the node that `startAgent` joins, chosen by its user; returns the entry's ID. */
  createEntry(path: string, uid: number, ...more: readonly string[]): string {
    const { trustDomain = 'spire.example' } = this.#wish;
    const parent = ['-parentID', `spiffe://${trustDomain}/node`];
    const workload = ['-spiffeID', `spiffe://${trustDomain}${path}`, '-selector', `unix:uid:${uid}`];
    const printed = this.say('entry', 'create', ...parent, ...workload, ...more);
    return /Entry ID\s*: (\S+)/.exec(printed)?.[1] ?? '';
  }

  /** Begins a federation relationship of its own, over `https_spiffe`; `bundleFile` holds the peer's bundle of now as SPIFFE writes it. */
  createFederation(trustDomain: string, url: string, endpointId: string, bundleFile: string): void {
    const endpoint = ['-bundleEndpointURL', url, '-endpointSpiffeID', endpointId];
    const profile = ['-bundleEndpointProfile', 'https_spiffe'];
    const bundle = ['-trustDomainBundlePath', bundleFile, '-trustDomainBundleFormat', 'spiffe'];
    this.say('federation', 'create', '-trustDomain', trustDomain, ...endpoint, ...profile, ...bundle);
  }

  /** The ID of an authority that a `localauthority` command names in this member of its answer. */
  authority(kind: 'x509' | 'jwt', command: string, member: string): string {
    return JSON.parse(this.say('localauthority', kind, command, '-output', 'json'))[member].authority_id;
  }

  /** An agent that has joined, and what its workloads do. */
  async startAgent(): Promise<SpireAgent> {
    const executable = join(dirname(this.#executable), 'spire-agent');
    if (!existsSync(executable)) throw new Error(`there is no spire-agent beside ${this.#executable}`);
    const token = /Token: (\S+)/.exec(
      this.say('token', 'generate', '-spiffeID', 'spiffe://spire.example/node'),
    )?.[1];
    const socket = this.file('agent.sock');
    mkdirSync(this.file('agent'));
    writeFileSync(
      this.file('agent.conf'),
      `agent {
  data_dir = "${this.file('agent')}"
  server_address = "127.0.0.1"
  server_port = "${this.#apiPort}"
  socket_path = "${socket}"
  trust_domain = "spire.example"
  insecure_bootstrap = true
}
plugins {
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
`,
    );
    const words = ['run', '-config', this.file('agent.conf'), '-joinToken', token ?? ''];
    const agent = new SpireAgent(executable, socket, new Child(executable, words));
    await agent.until('the agent was healthy', () => agent.run('healthcheck').status === 0);
    return agent;
  }

  #run(words: readonly string[]) {
    // The socket is an option of the command, before any words that are no option.
    const command = [...words, '-socketPath', this.socket];
    return spawnSync(this.#executable, command, { encoding: 'utf8', timeout: 20_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#folder[Symbol.dispose]();
  }
}

/** A SPIRE agent that runs until the scope ends; this process is the workload. */
export class SpireAgent {
  readonly #executable: string;
  readonly #process: Child;
  /** The socket on which it serves the Workload API. */
  readonly socket: string;

  constructor(executable: string, socket: string, process: Child) {
    this.#executable = executable;
    this.socket = socket;
    this.#process = process;
  }

  /** One of its commands, put to its end. */
  run(...words: readonly string[]) {
    const command = [...words, '-socketPath', this.socket];
    return spawnSync(this.#executable, command, { encoding: 'utf8', timeout: 20_000 });
  }

  /** Resolves once `condition` holds. Throws with what the agent said when it has ended, or after half a minute. */
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    return this.#process.until(what, condition);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
