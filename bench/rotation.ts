import { mkdirSync, writeFileSync } from 'node:fs';
import { main } from '../src/cli/main.ts';
import { createLayout, Meshes, names, silentWaits } from '../src/demonstration/demo/index.ts';
import { systemClock } from '../src/platform/index.ts';
import { parseBundle, parseTrustDomain, type TrustBundle } from '../src/spiffe/index.ts';
import { AgentHome, presentCa } from '../testkit/agent-process.ts';
import { freePorts } from '../src/demonstration/demo/free-ports.ts';
import { tempDir } from '../testkit/temp-dir.ts';
import { Caller, PlainPeer } from './support/callers.ts';
import { type Bench, median } from './support/measure.ts';

const rotating = parseTrustDomain(names.istio);
const OFFLINE = 'offline.example';
const SLOW = 'slow.example';
/** The mesh that rotates must not have its new roots signed by the old ones, as Consul's are: then a peer that is behind would notice nothing. */
const HINT_MS = 2000;

/**
 * Ten rotations of mesh A under constant traffic, each step let through by `federate rotation wait`: beside mesh B there are a peer whose
 * agent only asks every three seconds, one that is offline all the time and is given the bundle anew at the end, and a plain SPIFFE peer. Not one
 * call may fail. Then one rotation without the gate, to see that the traffic would notice.
 */
export const rotation: Bench = {
  name: 'rotation',
  async run({ quick }) {
    using folder = tempDir();
    const meshes = new Meshes(
      await createLayout(folder.file('meshes'), { refreshHint: `${HINT_MS / 1000}s`, ways: 'static' }),
      silentWaits(systemClock),
    );
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
      plain = new PlainPeer(meshes.layout.ports.istioEndpoint, HINT_MS, first);
      plain.start();
      await untilIdentified(meshes, [names.consul, SLOW, OFFLINE]);

      let shown = await meshes.control.istio.forge(names.frontendId);
      const identity = () => shown;
      const activate = async () => {
        await meshes.control.istio.rotate('activate');
        shown = await meshes.control.istio.forge(names.frontendId);
      };
      const port = meshes.layout.ports.backendIn;
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
      for (let count = 0; count < rotations; count += 1) opened.push(await rotateOnce(meshes, activate));
      await comeBack(meshes, offline, agents);
      returning.start();
      await systemClock.sleep(1000);
      await returning.stop();
      await sidecars.stop();
      const gated = [...callers, returning, sidecars];
      const [calls, failed] = [sum(gated, 'calls'), sum(gated, 'failed')];

      if (plain.failures.length > 0)
        throw new Error(`the plain peer could not poll: ${plain.failures.join('; ')}`);
      // From here on it is late, as a peer can be: the gate would wait for it.
      await plain.stop();
      const before = sum(callers, 'failed');
      await meshes.control.istio.rotate('publish');
      await activate();
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
          note: 'with a peer that asks every three seconds and a plain one that asks every two',
        },
        {
          what: 'the same traffic with a late peer, and no gate',
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

/** A real agent beside a mesh of files, federated with mesh A both ways; it never holds requests, and asks every three seconds. */
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
  const url = `https://127.0.0.1:${meshes.layout.ports.istioEndpoint}/`;
  await home.ask(...about(url, names.istio, names.istioAgentId), '--pin', await meshes.pinOf('istio'));
  const bundle = ['--bundle', home.file('roots.pem')];
  await meshes.ask('istio', [...about(home.url, trustDomain, `spiffe://${trustDomain}/federate`), ...bundle]);
  const peer = { home, agent };
  await until(`${trustDomain} holds the bundle`, () => heldBy(peer) !== undefined);
  return peer;
}

/** The bundle of mesh A as the peer's agent gave it to its mesh. */
function heldBy({ home }: Pick<Peer, 'home'>): TrustBundle | undefined {
  const text = home.foreign(`${names.istio}.json`);
  return text === '' ? undefined : parseBundle(rotating, Buffer.from(text)).bundle;
}

/** One rotation, each step let through by the gate; milliseconds from the publication until the root may be used. */
async function rotateOnce(meshes: Meshes, activate: () => Promise<void>): Promise<number> {
  await meshes.control.istio.rotate('publish');
  const start = performance.now();
  await passGate(meshes, 'use');
  const ms = performance.now() - start;
  await activate();
  await passGate(meshes, 'retire');
  await meshes.control.istio.rotate('retire');
  return ms;
}

async function passGate(meshes: Meshes, step: 'use' | 'retire'): Promise<void> {
  const words = ['rotation', 'wait', '--for', step, '--timeout', '5m', '--except', OFFLINE];
  const notes: string[] = [];
  const keep = (text: string) => void notes.push(text);
  // In this process: ten times two starts of the command would be most of what is measured.
  const exitCode = await main([...words, '--socket', meshes.layout.istio('admin.sock')], {
    out: keep,
    err: keep,
  });
  if (exitCode !== 0) throw new Error(`the gate did not open for ${step}: ${notes.join('; ')}`);
}

async function untilIdentified(meshes: Meshes, wanted: readonly string[]): Promise<void> {
  await until('every peer has proved what it holds', async () => {
    const { peers } = await rotationOf(meshes);
    return wanted.every((name) =>
      peers.some((peer) => peer.trust_domain === name && peer.known === 'identified' && peer.in_mesh),
    );
  });
}

/**
 * What was offline comes back. Every root that it holds is gone, so it can no longer tell who answers at our endpoint: its operator
 * gives it the present bundle, as one that is new would be given it.
 */
async function comeBack(meshes: Meshes, { home }: Peer, agents: Peer['agent'][]): Promise<void> {
  const agent = home.start();
  agents.push(agent);
  await agent.untilLogged('process ready');
  const { stdout } = await meshes.verb('istio', ['bundle', 'show', names.istio, '--document']);
  writeFileSync(home.file('present.json'), stdout);
  await home.ask('bundle', 'set', names.istio, home.file('present.json'));
  const { sequence } = await rotationOf(meshes);
  await until(
    'the peer that was offline is up to date',
    () => heldBy({ home })?.sequence === BigInt(sequence),
  );
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
  return (await meshes.ask('istio', ['rotation', 'status'])) as RotationAnswer;
}

/** The calls of mesh A's backend to mesh B by way of the sidecars, over connections that are kept. */
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
  for (let attempt = 0; attempt < 2400; attempt += 1) {
    if (await condition()) return;
    await systemClock.sleep(50);
  }
  throw new Error(`waited in vain: ${what}`);
}
