import { mkdirSync } from 'node:fs';
import { createLayout, Meshes, names } from '../src/demo/index.ts';
import { systemClock } from '../src/platform/index.ts';
import { parseBundle, parseTrustDomain, type TrustBundle } from '../src/spiffe/index.ts';
import { AgentHome, presentCa } from '../test/e2e/agent-process.ts';
import { freePorts } from '../src/demo/free-ports.ts';
import { tempDir } from '../test/support/temp-dir.ts';
import { Caller, PlainPeer } from './support/callers.ts';
import { type Bench, median } from './support/measure.ts';

const consul = parseTrustDomain(names.consul);
const OFFLINE = 'offline.example';
const SLOW = 'slow.example';
const HINT_MS = 2000;

/**
 * Ten rotations of mesh B under constant traffic, each step let through by `federate rotation wait`: beside mesh A there are a peer whose
 * agent only asks every three seconds, one that is offline all the time and comes back at the end, and a plain SPIFFE peer. Not one
 * call may fail. Then one rotation without the gate, to see that the traffic would notice.
 */
export const rotation: Bench = {
  name: 'rotation',
  async run({ quick }) {
    using folder = tempDir();
    const meshes = new Meshes(await createLayout(folder.file('meshes'), `${HINT_MS / 1000}s`), systemClock);
    const agents: { end(signal: NodeJS.Signals): Promise<unknown> }[] = [];
    const callers: Caller[] = [];
    const sidecars = sidecarCalls(meshes);
    let plain: PlainPeer | undefined;
    try {
      await meshes.start();
      await meshes.add('istio', ['--pin', await meshes.pinOf('consul')]);
      await meshes.add('consul', ['--pin', await meshes.pinOf('istio')]);
      const [slow, offline] = await Promise.all([
        federated(meshes, folder.file(SLOW), SLOW, agents),
        federated(meshes, folder.file(OFFLINE), OFFLINE, agents),
      ]);
      const first = heldBy(slow);
      if (!first) throw new Error('the slow peer holds nothing');
      plain = new PlainPeer(meshes.layout.ports.consulEndpoint, HINT_MS, first);
      plain.start();
      await untilIdentified(meshes, [names.istio, SLOW, OFFLINE]);

      const identity = await meshes.control.istio.forge(names.backendId);
      const port = meshes.layout.ports.istioGateway;
      const caller = (name: string, bundle: () => TrustBundle | undefined) =>
        new Caller({ name, port, identity, bundle });
      const returning = caller(OFFLINE, () => heldBy(offline));
      callers.push(
        caller(SLOW, () => heldBy(slow)),
        caller('plain', () => plain?.bundle),
      );
      for (const each of callers) each.start();
      sidecars.start();

      await offline.agent.end('SIGKILL');
      const opened: number[] = [];
      const rotations = quick ? 2 : 10;
      for (let count = 0; count < rotations; count += 1) opened.push(await rotateOnce(meshes));
      // What was offline comes back with a bundle of ten rotations ago, hears what is new, and then calls.
      agents.push(offline.home.start());
      const newest = await sequenceOf(meshes);
      await until('the peer that was offline is up to date', () => heldBy(offline)?.sequence === newest);
      returning.start();
      await systemClock.sleep(1000);
      await returning.stop();
      await sidecars.stop();
      const gated = [...callers, returning, sidecars];
      const [calls, failed] = [sum(gated, 'calls'), sum(gated, 'failed')];

      if (plain.failures.length > 0)
        throw new Error(`the plain peer could not poll: ${plain.failures.join('; ')}`);
      const before = sum(callers, 'failed');
      await meshes.control.consul.rotate('publish');
      await meshes.control.consul.rotate('activate');
      await systemClock.sleep(4000);
      const ungated = sum(callers, 'failed') - before;
      return [
        {
          what: `calls during ${rotations} rotations that failed`,
          value: `${failed} of ${calls}`,
          target: '0',
          reached: failed === 0,
          note:
            failed === 0
              ? gated.map((each) => `${each.name} ${each.calls}`).join(', ')
              : gated.flatMap((each) => each.failures).join('; '),
        },
        {
          what: 'a new root published until safe to use, median',
          value: `${(median(opened) / 1000).toFixed(1)} s`,
          note: 'with a peer that asks every three seconds and a plain one that asks every two; one process of the command included',
        },
        {
          what: 'the same traffic, a rotation without the gate',
          value: `${ungated} failed`,
          target: '> 0',
          reached: ungated > 0,
        },
      ];
    } finally {
      await Promise.all([...callers, sidecars].map((each) => each.stop()));
      await plain?.stop();
      await Promise.all(agents.map((each) => each.end('SIGTERM')));
      await meshes.stop();
    }
  },
};

interface Peer {
  readonly home: AgentHome;
  readonly agent: { end(signal: NodeJS.Signals): Promise<unknown> };
}

/** A real agent beside a mesh of files, federated with mesh B both ways; it never holds requests, and asks every three seconds. */
async function federated(
  meshes: Meshes,
  folder: string,
  trustDomain: string,
  agents: Peer['agent'][],
): Promise<Peer> {
  mkdirSync(folder, { recursive: true });
  const [port = 0] = await freePorts(1);
  const home = new AgentHome({ folder, trustDomain, port, profile: 'https_spiffe' });
  home.writeConfig(home.configFile, {
    federation: { hold: '0s', minimum_poll: '3s', maximum_poll: '3s' },
  });
  const ca = await presentCa(trustDomain);
  home.writeRoots(ca);
  await home.writeEndpointCertificate(ca);
  const agent = home.start();
  agents.push(agent);
  await agent.untilLogged('process ready');
  await until(`the agent of ${trustDomain} is ready`, async () => (await home.ask('status')).code === 0);
  const about = (url: string, name: string, id: string) => {
    const endpoint = ['--peer', url, '--trust-domain', name];
    return ['add', ...endpoint, '--profile', 'https_spiffe', '--endpoint-id', id];
  };
  const url = `https://127.0.0.1:${meshes.layout.ports.consulEndpoint}/`;
  await home.ask(...about(url, names.consul, names.consulAgentId), '--pin', await meshes.pinOf('consul'));
  const bundle = ['--bundle', home.file('roots.pem')];
  await meshes.ask('consul', [
    ...about(home.url, trustDomain, `spiffe://${trustDomain}/federate`),
    ...bundle,
  ]);
  const peer = { home, agent };
  await until(`${trustDomain} holds the bundle`, () => heldBy(peer) !== undefined);
  return peer;
}

/** The bundle of mesh B as the peer's agent gave it to its mesh. */
function heldBy({ home }: Pick<Peer, 'home'>): TrustBundle | undefined {
  const text = home.foreign(`${names.consul}.json`);
  return text === '' ? undefined : parseBundle(consul, Buffer.from(text)).bundle;
}

/** One rotation, each step let through by the gate; milliseconds from the publication until the root may be used. */
async function rotateOnce(meshes: Meshes): Promise<number> {
  await meshes.control.consul.rotate('publish');
  const start = performance.now();
  await passGate(meshes, 'use');
  const ms = performance.now() - start;
  await meshes.control.consul.rotate('activate');
  await passGate(meshes, 'retire');
  await meshes.control.consul.rotate('retire');
  return ms;
}

async function passGate(meshes: Meshes, step: 'use' | 'retire'): Promise<void> {
  const words = ['rotation', 'wait', '--for', step, '--timeout', '60s', '--except', OFFLINE];
  const { exitCode, stdout, stderr } = await meshes.verb('consul', words);
  if (exitCode !== 0) throw new Error(`the gate did not open for ${step}: ${stdout}${stderr}`);
}

async function untilIdentified(meshes: Meshes, wanted: readonly string[]): Promise<void> {
  await until('every peer has proved what it holds', async () => {
    const { peers } = await rotationOf(meshes);
    return wanted.every((name) =>
      peers.some((peer) => peer.trust_domain === name && peer.known === 'identified' && peer.in_mesh),
    );
  });
}

interface RotationAnswer {
  readonly sequence: string;
  readonly peers: readonly {
    readonly trust_domain: string;
    readonly known: string;
    readonly in_mesh: object | null;
  }[];
}

async function rotationOf(meshes: Meshes): Promise<RotationAnswer> {
  return (await meshes.ask('consul', ['rotation', 'status'])) as RotationAnswer;
}

async function sequenceOf(meshes: Meshes): Promise<bigint> {
  return BigInt((await rotationOf(meshes)).sequence);
}

/** The calls of mesh A's backend by way of the sidecars, over connections that are kept. */
function sidecarCalls(meshes: Meshes) {
  const failures: string[] = [];
  let running = false;
  let done: Promise<void> = Promise.resolve();
  const counted = {
    name: 'sidecars',
    calls: 0,
    failed: 0,
    failures,
    start: () => {
      running = true;
      done = repeat();
    },
    stop: async () => {
      running = false;
      await done;
    },
  };
  const repeat = async () => {
    while (running) {
      counted.calls += 1;
      const { remark, missing } = await meshes.call();
      if (!remark) {
        counted.failed += 1;
        failures.push(`sidecars: ${missing?.message ?? 'no answer'}`);
      }
      await systemClock.sleep(25);
    }
  };
  return counted;
}

function sum(
  all: readonly { readonly calls: number; readonly failed: number }[],
  what: 'calls' | 'failed',
): number {
  return all.reduce((total, each) => total + each[what], 0);
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (await condition()) return;
    await systemClock.sleep(50);
  }
  throw new Error(`waited in vain: ${what}`);
}
