import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { freePorts } from '../../src/demo/free-ports.ts';
import { tempDir } from '../../test/support/temp-dir.ts';
import { Child } from './child.ts';

/** A SPIRE server of the trust domain `spire.example` with an `https_spiffe` bundle endpoint, on loopback, until the scope ends. */
export class Spire {
  readonly #folder = tempDir();
  readonly #executable: string;
  readonly endpointUrl: string;
  readonly #apiPort: number;
  #server: Child | undefined;

  private constructor(executable: string, apiPort: number, endpointPort: number) {
    this.#executable = executable;
    this.#apiPort = apiPort;
    this.endpointUrl = `https://127.0.0.1:${endpointPort}/`;
    mkdirSync(this.file('data'));
    writeFileSync(
      this.file('server.conf'),
      `server {
  bind_address = "127.0.0.1"
  bind_port = "${apiPort}"
  socket_path = "${this.socket}"
  trust_domain = "spire.example"
  data_dir = "${this.file('data')}"
  ca_ttl = "1h"
  default_x509_svid_ttl = "5m"
  federation {
    bundle_endpoint {
      address = "127.0.0.1"
      port = ${endpointPort}
    }
  }
}
plugins {
  DataStore "sql" {
    plugin_data {
      database_type = "sqlite3"
      connection_string = "${this.file('data/datastore.sqlite3')}"
    }
  }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
}
`,
    );
  }

  static async start(executable: string): Promise<Spire> {
    const [apiPort = 0, endpointPort = 0] = await freePorts(2);
    const spire = new Spire(executable, apiPort, endpointPort);
    const server = new Child(executable, ['run', '-config', spire.file('server.conf')]);
    spire.#server = server;
    await server.until('it was healthy', () => spire.#run(['healthcheck']).status === 0);
    return spire;
  }

  /** The server's own socket, whose callers are administrators. */
  get socket(): string {
    return this.file('api.sock');
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

  /** How many keys the server holds for a foreign trust domain. */
  federatedKeys(trustDomain: string): number {
    const document = this.say('bundle', 'list', '-id', `spiffe://${trustDomain}`, '-format', 'spiffe');
    return (JSON.parse(document) as { keys: unknown[] }).keys.length;
  }

  /** An agent that has joined, with its workload socket; `executable` is that of `spire-agent`. */
  async startAgent(executable: string): Promise<{ readonly agent: Child; readonly socket: string }> {
    const socket = this.file('agent.sock');
    const token = /Token: (\S+)/.exec(
      this.say('token', 'generate', '-spiffeID', 'spiffe://spire.example/node'),
    )?.[1];
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
    const agent = new Child(executable, [
      'run',
      '-config',
      this.file('agent.conf'),
      '-joinToken',
      token ?? '',
    ]);
    const healthy = () => spawnSync(executable, ['healthcheck', '-socketPath', socket]).status === 0;
    await agent.until('the agent was healthy', healthy);
    return { agent, socket };
  }

  #run(words: readonly string[]) {
    // The socket is an option of the command, before any words that are no option.
    const command = [...words, '-socketPath', this.socket];
    return spawnSync(this.#executable, command, { encoding: 'utf8', timeout: 20_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}
