import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { AgentHome, type FederateProcess, presentCa } from './agent-process.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import type { TestCa } from '../../testkit/test-ca.ts';

/** An agent of ours that runs beside a mesh of files, with the CA of that mesh. */
export interface RunningAgent {
  readonly home: AgentHome;
  readonly ca: TestCa;
  readonly agent: FederateProcess;
}

/** Agents in a folder of their own, until the scope ends. */
export interface Agents extends AsyncDisposable {
  readonly folder: string;
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
}

/** Starts agents and waits until each has published its bundle. */
export async function startAgents(wishes: readonly AgentWish[]): Promise<Agents> {
  const folder = tempDir();
  const ports = await freePorts(wishes.length);
  const webCa = await presentCa('web.example', 'CN=Web');
  const all: RunningAgent[] = [];
  for (const [index, { trustDomain, profile, config = {}, endpoint = {} }] of wishes.entries()) {
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
    all.push({ home, ca, agent: home.start() });
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
