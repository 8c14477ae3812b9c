import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { RelationshipDocument, StatusDocument } from '../../src/admin-client/index.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { federate } from '../kubernetes/beside.ts';
import type { InteropCheck } from './program.ts';
import { Spire } from './spire.ts';
import { OURS, THEIRS } from './spire-peers.ts';
import { until } from './until.ts';

/** Our agent beside a SPIRE server, into which it writes what its peers say. */
export const spireAdapterChecks: readonly InteropCheck[] = [
  {
    name: 'the SPIRE adapter pushes a bundle, follows its rotation, writes nothing twice, and takes it out; what others set stays',
    run: pushes,
  },
  {
    name: 'the SPIRE adapter over TCP: with an admin SVID; without, it is refused and nothing is written',
    run: overTcp,
  },
  {
    name: 'the SPIRE adapter heals: server away, restored from a backup, of another trust domain',
    run: heals,
  },
  {
    name: 'the SPIRE adapter makes federation relationships, and bundles of them again; those of others stay',
    run: relates,
  },
  {
    name: 'the SPIRE adapter sees what SPIRE polls by its configuration file, and leaves it alone',
    run: polledByFile,
  },
];

const OTHER = 'other.example';

/** An agent beside the server, and the agent of a peer. */
async function startBeside(
  server: Spire,
  mesh: Record<string, unknown> = { socket: server.socket },
): Promise<{ readonly agents: Agents; readonly beside: RunningAgent; readonly peer: RunningAgent }> {
  const agents = await startAgents([
    {
      trustDomain: THEIRS,
      profile: 'https_web',
      config: { mesh: { kind: 'spire', poll: '250ms', ...mesh } },
    },
    { trustDomain: OURS, profile: 'https_spiffe' },
  ]);
  const [beside, peer] = agents.all;
  assert(beside && peer);
  return { agents, beside, peer };
}

const inMesh = async ({ home }: RunningAgent) =>
  (await home.ask<RelationshipDocument>('show', OURS)).answer.in_mesh;
const meshOf = async ({ home }: RunningAgent) => (await home.ask<StatusDocument>('status')).answer.mesh;
const connected = async (beside: RunningAgent) => (await meshOf(beside)).connected;

/** What SPIRE holds of foreign trust, as it tells a program. */
function listed(server: Spire): readonly {
  readonly trust_domain: string;
  readonly x509_authorities: readonly unknown[];
  readonly sequence_number: string;
  readonly refresh_hint: string;
}[] {
  return JSON.parse(server.say('bundle', 'list', '-output', 'json')).bundles;
}
const held = (server: Spire) => listed(server).map(({ trust_domain: name }) => name);
const rootsOf = (server: Spire) =>
  listed(server).find(({ trust_domain: name }) => name === OURS)?.x509_authorities.length ?? 0;

/** A bundle that an operator sets by hand. */
async function setByHand(server: Spire, trustDomain: string): Promise<void> {
  const pem = server.file(`${trustDomain}.pem`);
  writeFileSync(pem, pemFromCertificates([(await presentCa(trustDomain)).root]));
  server.say('bundle', 'set', '-id', `spiffe://${trustDomain}`, '-path', pem);
}

function addEntry(server: Spire): void {
  server.createEntry('/workload', 1, '-federatesWith', OURS, '-federatesWith', OTHER);
}
const federatesWith = (server: Spire): string[] =>
  JSON.parse(server.say('entry', 'show', '-output', 'json')).entries[0].federates_with;

async function pushes(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await setByHand(server, OTHER);
  const before = server.say('bundle', 'list', '-output', 'json');
  const { agents, beside, peer } = await startBeside(server);
  await using _agents = agents;
  await federate(beside, peer);
  await until('the bundle', () => rootsOf(server) === 1);
  const ours = (await beside.home.ask<{ document: string }>('bundle', 'show', OURS)).answer.document;
  const { keys, spiffe_sequence: sequence, spiffe_refresh_hint: hint } = JSON.parse(ours);
  const there = server.federated(OURS);
  assert.deepEqual(there.keys, keys, 'SPIRE shows exactly what we hold');
  assert.equal(there.spiffe_refresh_hint, hint);
  assert.equal(
    listed(server).find(({ trust_domain: name }) => name === OURS)?.sequence_number,
    `${sequence}`,
  );

  addEntry(server);
  const writes = () => server.log.split('Bundle set successfully').length - 1;
  const once = writes();
  assert.equal((await beside.home.ask('refresh', OURS)).code, 0);
  assert.equal(writes(), once, 'equal content is written once');

  peer.home.writeRoots(peer.ca, await presentCa(OURS, 'CN=second'));
  await until('both roots', () => rootsOf(server) === 2);
  peer.home.writeRoots(peer.ca);
  await until('the second root to go', () => rootsOf(server) === 1);
  assert.equal((await beside.home.ask('remove', OURS)).code, 0);
  await until('the bundle to go', () => !held(server).includes(OURS));
  assert.equal(server.say('bundle', 'list', '-output', 'json'), before, 'all else is as it was');
  assert.deepEqual(federatesWith(server), [OTHER]);
}

async function overTcp(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  const mint = (name: string, path: string) => {
    const id = `spiffe://${THEIRS}${path}`;
    mkdirSync(server.file(name));
    server.say('x509', 'mint', '-spiffeID', id, '-write', server.file(name));
    return {
      certificate_file: server.file(`${name}/svid.pem`),
      key_file: server.file(`${name}/key.pem`),
      trust_bundle_file: server.file(`${name}/bundle.pem`),
    };
  };
  const { agents, beside, peer } = await startBeside(server, {
    address: server.address,
    ...mint('nobody', '/nobody'),
  });
  await using _agents = agents;
  await federate(beside, peer);
  await until('the refusal', async () => (await inMesh(beside))?.code === 'mesh-forbidden');
  assert.equal((await meshOf(beside)).code, 'mesh-forbidden');
  assert.deepEqual(held(server), []);

  // The same files are read anew for each connection, as they are when an SVID is renewed.
  server.createEntry('/nobody', 1, '-admin');
  await until('the bundle', () => rootsOf(server) === 1);
  await until('the agent to know', () => connected(beside));
  assert.equal((await inMesh(beside))?.state, 'accepted');
}

async function heals(executable: string): Promise<void> {
  await using server = await Spire.start(executable, { keys: 'disk' });
  const { agents, beside, peer } = await startBeside(server);
  await using _agents = agents;
  const backup = server.file('backup');
  await server.stop();
  cpSync(server.data, backup, { recursive: true });
  await until('the agent to see that it is gone', async () => !(await connected(beside)));
  assert.equal((await meshOf(beside)).code, 'mesh-unreachable');
  await federate(beside, peer);
  await server.start();
  await until('the bundle', () => rootsOf(server) === 1);

  await server.stop();
  rmSync(server.data, { recursive: true });
  cpSync(backup, server.data, { recursive: true });
  await server.start();
  // A server that was away for less than a poll is compared with what is wanted once a minute.
  await until('the bundle again', () => rootsOf(server) === 1, 75);

  const config = readFileSync(server.file('server.conf'), 'utf8');
  await server.stop();
  rmSync(server.data, { recursive: true });
  writeFileSync(server.file('server.conf'), config.replaceAll(THEIRS, OTHER));
  await server.start();
  await until(
    'the agent to see that it is another',
    async () => (await meshOf(beside)).code === 'own-trust-domain-changed',
  );
  assert.equal((await beside.home.ask('refresh', OURS)).code, 0);
  assert.deepEqual(held(server), [], 'nothing is written to another trust domain');
  await server.stop();
  rmSync(server.data, { recursive: true });
  cpSync(backup, server.data, { recursive: true });
  writeFileSync(server.file('server.conf'), config);
  await server.start();
  await until('the bundle a third time', () => rootsOf(server) === 1, 75);
  await until('the agent to be content', () => connected(beside));
}

const relationshipsOf = (server: Spire): string[] =>
  (
    JSON.parse(server.say('federation', 'list', '-output', 'json')) as {
      federation_relationships: { trust_domain: string }[];
    }
  ).federation_relationships.map(({ trust_domain: name }) => name);

async function relates(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await setByHand(server, OTHER);
  const third = ['-trustDomain', 'third.example', '-bundleEndpointURL', 'https://127.0.0.1:9/'];
  server.say('federation', 'create', ...third, '-bundleEndpointProfile', 'https_web');
  const before = [relationshipsOf(server), held(server)];
  const mesh = { socket: server.socket, foreign_trust: 'relationships' };
  const { agents, beside, peer } = await startBeside(server, mesh);
  await using _agents = agents;
  await federate(beside, peer);
  await until('the relationship', () => relationshipsOf(server).includes(OURS));
  assert.equal(rootsOf(server), 1, 'it comes with its first bundle');
  const second = await presentCa(OURS, 'CN=second');
  peer.home.writeRoots(peer.ca, second);
  await until('both roots, polled by SPIRE', () => rootsOf(server) === 2);
  await until('the agent to know', async () => (await inMesh(beside))?.code === 'mesh-polls');

  // What the operator keeps out, SPIRE's own poll would bring back.
  assert.equal((await beside.home.ask('distrust', OURS, second.authority.keyFingerprint)).code, 0);
  await until(
    'a bundle without the key',
    () => rootsOf(server) === 1 && !relationshipsOf(server).includes(OURS),
  );
  assert.equal((await inMesh(beside))?.code, 'bundle-pushed');
  assert.equal((await beside.home.ask('trust', '--again', OURS, second.authority.keyFingerprint)).code, 0);
  await until('the relationship again', () => relationshipsOf(server).includes(OURS));

  addEntry(server);
  const bundles = { mesh: { kind: 'spire', poll: '250ms', socket: server.socket } };
  beside.home.writeConfig(beside.home.configFile, bundles);
  await beside.agent.end('SIGTERM');
  const restarted = beside.home.start();
  try {
    await until('the relationship to go', () => !relationshipsOf(server).includes(OURS));
    assert.equal(rootsOf(server), 2, 'the bundle stays');
    assert.deepEqual(federatesWith(server), [OURS, OTHER]);
    await until('the agent to answer', async () => (await inMesh(beside))?.state === 'accepted');
    assert.equal((await beside.home.ask('remove', OURS)).code, 0);
    await until('the bundle to go', () => !held(server).includes(OURS));
    assert.deepEqual([relationshipsOf(server), held(server)], before, 'what others made is as it was');
  } finally {
    await restarted.end('SIGTERM');
  }
}

async function polledByFile(executable: string): Promise<void> {
  await using server = await Spire.start(executable, { keys: 'disk' });
  const { agents, beside, peer } = await startBeside(server);
  await using _agents = agents;
  await federate(beside, peer);
  await until('the bundle', () => rootsOf(server) === 1);
  const config = readFileSync(server.file('server.conf'), 'utf8');
  const file = `federation {
    federates_with "${OURS}" {
      bundle_endpoint_url = "${peer.home.url}"
      bundle_endpoint_profile "https_spiffe" { endpoint_spiffe_id = "spiffe://${OURS}/federate" }
    }`;
  await server.stop();
  await until('the agent to see that it is gone', async () => !(await connected(beside)));
  writeFileSync(server.file('server.conf'), config.replace('federation {', file));
  await server.start();
  await until('the agent to see it', async () => (await inMesh(beside))?.code === 'trust-domain-taken');
  assert.equal((await beside.home.ask('remove', OURS)).code, 0);
  await until('the agent to let go', () => {
    const { trustDomains } = JSON.parse(readFileSync(beside.home.file('spire-federated.json'), 'utf8'));
    return !(trustDomains as string[]).includes(OURS);
  });
  assert.equal(rootsOf(server), 1, 'what SPIRE polls by itself stays');

  await server.stop();
  writeFileSync(server.file('server.conf'), config);
  await server.start();
  server.say('bundle', 'delete', '-id', `spiffe://${OURS}`);
  await federate(beside, peer);
  await until('the bundle, pushed again', () => rootsOf(server) === 1);
}
