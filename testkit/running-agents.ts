import { writeFileSync } from 'node:fs';
import type { RelationshipDocument, StatusDocument } from '../src/admin-client/index.ts';
import { freePorts } from '../src/demonstration/demo/free-ports.ts';
import { certificatesFromPem, pemFromCertificates } from '../src/spiffe/index.ts';
import { AgentHome, type Answered, type FederateProcess, presentCa, until } from './agent-process.ts';
import { tempDir } from './temp-dir.ts';
import type { TestCa } from './test-ca.ts';

/** Agents in a folder of their own, until the scope ends. */
export interface Agents extends AsyncDisposable {
  readonly folder: string;
  /** The CA of `https_web` endpoints. Its root is in `web-ca.pem`. */
  readonly webCa: TestCa;
  file(name: string): string;
  readonly all: readonly RunningAgent[];
}

/** What an agent is to be. */
export interface AgentWish {
  readonly trustDomain: string;
  readonly profile: 'https_spiffe' | 'https_web';
  /** Keys of its config that are to be others. */
  readonly config?: Record<string, unknown>;
  /** Keys of its `endpoint` that are to be others. */
  readonly endpoint?: Record<string, unknown>;
  /** Writes what else its folder needs, before the agent starts. */
  readonly prepare?: (home: AgentHome, ca: TestCa) => void;
}

/** An agent of ours next to a mesh of files, with the CA of that mesh. */
export class RunningAgent {
  readonly home: AgentHome;
  readonly ca: TestCa;
  /** The present process of the agent. */
  agent: FederateProcess;
  readonly #wish: AgentWish;
  readonly #webCaFile: string;

  constructor(wish: AgentWish, home: AgentHome, ca: TestCa, webCaFile: string) {
    this.#wish = wish;
    this.home = home;
    this.ca = ca;
    this.#webCaFile = webCaFile;
    this.agent = home.start();
  }

  /** Starts the process again, after it has ended, and waits until its admin socket answers. */
  async startAgain(): Promise<void> {
    this.agent = this.home.start();
    await this.agent.untilLogged('process ready');
  }

  /** Kills the process as a power cut would, and starts it again. */
  async killAndStart(): Promise<void> {
    await this.agent.end('SIGKILL');
    await this.startAgain();
  }

  /** The words that prove a peer to be this agent: its profile, and the pin of its present bundle. */
  async proof(): Promise<string[]> {
    const { own } = (await this.home.ask<StatusDocument>('status')).answer;
    if (!own) throw new Error(`the agent of ${this.#wish.trustDomain} has no bundle yet`);
    const { profile, trustDomain } = this.#wish;
    const identity =
      profile === 'https_web'
        ? ['--ca-file', this.#webCaFile]
        : ['--endpoint-id', `spiffe://${trustDomain}/federate`];
    return ['--trust-domain', trustDomain, '--profile', profile, ...identity, '--pin', own.pin];
  }

  /** Adds `peer` here, by the pin of its bundle, with further words. Throws when that is refused. */
  async add(peer: RunningAgent, ...words: string[]): Promise<Answered<RelationshipDocument>> {
    const proof = await peer.proof();
    const added = await this.home.ask<RelationshipDocument>(
      'add',
      '--peer',
      peer.home.url,
      ...proof,
      ...words,
    );
    if (added.code !== 0) throw new Error(`the peer was not added: ${JSON.stringify(added.answer)}`);
    return added;
  }

  /** Adds `peer` and waits until the mesh holds its root. */
  async addUntilHeld(peer: RunningAgent, ...words: string[]): Promise<void> {
    await this.add(peer, ...words);
    await until(`the roots of ${peer.home.trustDomain} in the mesh`, () => this.holds(peer, peer.ca));
  }

  /** Whether the mesh holds exactly these roots of a peer. */
  holds({ home: { trustDomain } }: RunningAgent, ...cas: readonly TestCa[]): boolean {
    const held = this.#held(trustDomain);
    return (
      held.length > 0 &&
      held.join() ===
        cas
          .map(({ root }) => hexOf(root))
          .toSorted()
          .join()
    );
  }

  /** Whether the mesh holds any of these roots of a peer. */
  holdsAny({ home: { trustDomain } }: RunningAgent, ...cas: readonly TestCa[]): boolean {
    const held = this.#held(trustDomain);
    return cas.some(({ root }) => held.includes(hexOf(root)));
  }

  #held(trustDomain: string): string[] {
    const pem = this.home.foreign(`${trustDomain}.pem`);
    return pem === '' ? [] : certificatesFromPem(pem).map(hexOf).toSorted();
  }
}

const hexOf = (der: Uint8Array) => Buffer.from(der).toString('hex');

/** Starts agents and waits until each has published its bundle. */
export async function startAgents(wishes: readonly AgentWish[]): Promise<Agents> {
  const folder = tempDir();
  const ports = await freePorts(wishes.length);
  const webCa = await presentCa('web.example', 'CN=Web');
  const webCaFile = folder.file('web-ca.pem');
  writeFileSync(webCaFile, pemFromCertificates([webCa.root]));
  const all: RunningAgent[] = [];
  for (const [index, wish] of wishes.entries()) {
    const { trustDomain, profile, config = {}, endpoint = {} } = wish;
    const home = new AgentHome({
      folder: folder.file(trustDomain),
      trustDomain,
      port: ports[index] ?? 0,
      profile,
    });
    const ca = await presentCa(trustDomain, `CN=${trustDomain} root`);
    home.writeRoots(ca);
    await home.writeEndpointCertificate(profile === 'https_web' ? webCa : ca);
    home.writeConfig(home.configFile, config, endpoint);
    wish.prepare?.(home, ca);
    all.push(new RunningAgent(wish, home, ca, webCaFile));
  }
  await Promise.all(all.map(({ agent }) => agent.untilLogged('own bundle published')));
  return {
    folder: folder.path,
    webCa,
    file: (name) => folder.file(name),
    all,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map(({ agent }) => agent.end('SIGTERM')));
      folder[Symbol.dispose]();
    },
  };
}
