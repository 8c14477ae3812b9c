import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { pemFromCertificates } from '../src/spiffe/index.ts';
import { PATIENCE_MS } from './patience.ts';
import { runVerb } from './run-verb.ts';
import { until as untilTrue } from './until.ts';
import { createTestCa, type TestCa } from './test-ca.ts';

const ENTRY = resolve(import.meta.dirname, '../bin/federate.js');
const HOUR_MS = 3_600_000;
/** So that looking does not take the processor from the processes that are looked at. */
const LOOK_EVERY_MS = 20;

/** What a verb answered with `--output json`. */
export interface Answered<Answer> {
  readonly code: number;
  readonly answer: Answer;
}

/** How a process ended, and its output. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** A `federate` process; `uid` runs it as somebody else, which only root may. */
export class FederateProcess {
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  #out = '';
  #err = '';

  constructor(words: readonly string[], options: { readonly uid?: number } = {}) {
    const { uid } = options;
    this.#child = spawn(process.execPath, [ENTRY, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.#out += chunk.toString('utf8')));
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#err += chunk.toString('utf8')));
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      out: this.#out,
      err: this.#err,
    }));
  }

  /** The records in its log so far. */
  get log(): readonly Record<string, unknown>[] {
    return this.#err
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  logged(message: string): boolean {
    return this.log.some(({ msg }) => msg === message);
  }

  /** Resolves when it has logged `message`. Throws when it ended before. */
  async untilLogged(message: string): Promise<void> {
    await until(`"${message}" in the log`, () => {
      if (this.logged(message)) return true;
      if (this.#child.exitCode !== null) throw new Error(`the process ended: ${this.#err}`);
      return false;
    });
  }

  /** Sends a signal that does not have to end it. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and returns how the process ended. A process that does not end is killed. */
  async end(signal: NodeJS.Signals): Promise<Ending> {
    this.#child.kill(signal);
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    const ending = await this.ended;
    clearTimeout(patience);
    return ending;
  }
}

/** Resolves when the condition holds. Throws after `PATIENCE_MS` with what it waited for. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await untilTrue(condition, what, { pauseMs: LOOK_EVERY_MS });
}

/** A CA that is valid now. */
export function presentCa(trustDomain: string, subject?: string): Promise<TestCa> {
  return createTestCa({ trustDomain, ...presentTimes(), ...(subject === undefined ? {} : { subject }) });
}

/** From an hour ago to an hour ahead, for programs that have a clock of their own. */
export function presentTimes(): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
}

/** The folder of one agent beside a mesh of files: its roots, its endpoint's certificate, its config. */
export class AgentHome {
  readonly folder: string;
  readonly trustDomain: string;
  readonly port: number;
  readonly socket: string;
  readonly configFile: string;
  readonly #profile: 'https_spiffe' | 'https_web';

  constructor(options: {
    readonly folder: string;
    readonly trustDomain: string;
    readonly port: number;
    readonly profile: 'https_spiffe' | 'https_web';
  }) {
    this.folder = options.folder;
    this.trustDomain = options.trustDomain;
    this.port = options.port;
    this.#profile = options.profile;
    this.socket = this.file('admin.sock');
    this.configFile = this.file('agent.yaml');
    mkdirSync(this.folder, { recursive: true });
    this.writeConfig(this.configFile, {});
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  get url(): string {
    return `https://localhost:${this.port}/`;
  }

  /** The config with some of its keys changed. */
  writeConfig(path: string, changes: Record<string, unknown>, endpointChanges: object = {}): string {
    const files = { certificate_file: 'endpoint.pem', key_file: 'endpoint.key' };
    const config = {
      trust_domain: this.trustDomain,
      store: 'federate.db',
      admin_socket: 'admin.sock',
      endpoint: {
        profile: this.#profile,
        listen: `127.0.0.1:${this.port}`,
        url: this.url,
        refresh_hint: '1s',
        ...(this.#profile === 'https_web' ? files : { svid: files }),
        ...endpointChanges,
      },
      mesh: { kind: 'files', own_pem_files: ['roots.pem'], foreign_folder: 'foreign', poll: '50ms' },
      // Long, so that only the signal can end a poll in time.
      federation: { minimum_poll: '250ms', connect_timeout: '2m', total_timeout: '2m' },
      ...changes,
    };
    writeFileSync(path, stringify(config));
    return path;
  }

  writeRoots(...cas: readonly TestCa[]): void {
    writeFileSync(this.file('roots.pem'), pemFromCertificates(cas.map(({ root }) => root)));
  }

  /** The certificate that the endpoint shows: an SVID, or one of the Web PKI for `localhost`. */
  async writeEndpointCertificate(ca: TestCa): Promise<void> {
    const leaf = await ca.issueLeaf({
      ...presentTimes(),
      ...(this.#profile === 'https_web' ? { uriSans: [], dnsSans: ['localhost'] } : { path: '/federate' }),
    });
    writeFileSync(this.file('endpoint.key'), leaf.keyPem, { mode: 0o600 });
    chmodSync(this.file('endpoint.key'), 0o600);
    writeFileSync(this.file('endpoint.pem'), leaf.certPem);
  }

  /** An SVID beside the certificate of the Web PKI, and the config that names it and the CA of that certificate. */
  async writeIdentity(ca: TestCa, webCa: TestCa): Promise<void> {
    const leaf = await ca.issueLeaf({ ...presentTimes(), path: '/federate' });
    writeFileSync(this.file('identity.key'), leaf.keyPem, { mode: 0o600 });
    writeFileSync(this.file('identity.pem'), leaf.certPem);
    writeFileSync(this.file('web-ca.pem'), pemFromCertificates([webCa.root]));
    this.writeConfig(
      this.configFile,
      { identity: { certificate_file: 'identity.pem', key_file: 'identity.key' } },
      { ca_file: 'web-ca.pem' },
    );
  }

  start(configFile = this.configFile): FederateProcess {
    return new FederateProcess(['agent', '--config', configFile]);
  }

  /** A verb put to this agent with `--output json`. */
  async ask<Answer = unknown>(...words: string[]): Promise<Answered<Answer>> {
    const { code, out, err } = await runVerb(...words, '--socket', this.socket, '--output', 'json');
    if (out.trim() === '') throw new Error(`"federate ${words.join(' ')}" printed nothing: ${err}`);
    return { code, answer: JSON.parse(out) as Answer };
  }

  /** A file that the agent wrote for its mesh; empty where there is none. */
  foreign(name: string): string {
    try {
      return readFileSync(this.file(`foreign/${name}`), 'utf8');
    } catch {
      return '';
    }
  }
}
