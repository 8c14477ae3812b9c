import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { RelationshipDocument, StatusDocument } from '../../src/admin-client/index.ts';
import { type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { InteropCheck } from './program.ts';
import { THEIRS } from './spire-peers.ts';
import { Spire } from './spire.ts';
import { until } from './until.ts';

/** Our agent with an X509-SVID that SPIRE issued, which it takes from the Workload API of a SPIRE agent. */
export const spireSvidChecks: readonly InteropCheck[] = [
  {
    name: 'our agent serves with an SVID from its Workload API, polled by another SPIRE and by ours; renewed, kept while its agent is down, gone when it is taken back',
    run: serveWithTheirSvid,
  },
];

const PATH = '/federate';
const ID = `spiffe://${THEIRS}${PATH}`;
const OTHER = 'other.example';

/** Registers this user as `ID`; its SVID lives that long. Gives what takes the entry away again. */
function register(server: Spire, ttlSeconds: number): () => void {
  const entryId = server.createEntry(PATH, process.getuid?.() ?? 0, '-x509SVIDTTL', String(ttlSeconds));
  return () => server.say('entry', 'delete', '-entryID', entryId);
}

const statusOf = async ({ home }: RunningAgent): Promise<StatusDocument> =>
  (await home.ask<StatusDocument>('status')).answer;

async function serveWithTheirSvid(executable: string): Promise<void> {
  await using server = await Spire.start(executable, { keys: 'disk' });
  await using poller = await Spire.start(executable, { trustDomain: OTHER });
  const agent = await server.startAgent();
  await using _agent = agent;
  await using agents = await startAgents([
    {
      trustDomain: THEIRS,
      profile: 'https_spiffe',
      config: { mesh: { kind: 'spire', socket: server.socket, poll: '1s' } },
      endpoint: { svid: { workload_api: `unix://${agent.socket}` } },
    },
    { trustDomain: 'a.example', profile: 'https_spiffe' },
  ]);
  const [ours, peer] = agents.all;
  assert(ours && peer);

  // Nobody has registered us yet.
  await until('the refusal', async () => (await statusOf(ours)).identity?.code === 'permission-denied');
  assert.deepEqual([(await statusOf(ours)).ready, (await statusOf(ours)).agent_id], [false, null]);
  const takeBack = register(server, 60);
  const ready = () => until('our agent to be ready', async () => (await statusOf(ours)).ready, 60);
  await ready();
  assert.equal((await statusOf(ours)).agent_id, ID);

  // Another SPIRE polls us, and an agent of ours: both prove us by SPIRE's roots.
  const bundle = agents.file('theirs.json');
  writeFileSync(bundle, server.say('bundle', 'show', '-format', 'spiffe'));
  poller.createFederation(THEIRS, ours.home.url, ID, bundle);
  const words = ['--peer', ours.home.url, '--trust-domain', THEIRS, '--profile', 'https_spiffe'];
  const added = await peer.home.ask('add', ...words, '--endpoint-id', ID, '--bundle', bundle);
  assert.equal(added.code, 0);
  const state = async () => (await peer.home.ask<RelationshipDocument>('show', THEIRS)).answer.state;
  assert.equal(await state(), 'active');
  const before = poller.federatedKeys(THEIRS);
  server.say('localauthority', 'x509', 'prepare');
  await until('the other SPIRE to have the prepared root by us', () => {
    poller.say('federation', 'refresh', '-id', THEIRS);
    return poller.federatedKeys(THEIRS) > before;
  });

  // Renewed by SPIRE at half of its life, and shown at once.
  const first = (await statusOf(ours)).identity?.not_after;
  await until(
    'a renewed SVID',
    async () => ((await statusOf(ours)).identity?.not_after ?? '') > (first ?? ''),
    90,
  );
  assert.equal((await peer.home.ask('refresh', THEIRS)).code, 0);

  takeBack();
  await until('us not to be ready', async () => !(await statusOf(ours)).ready, 60);
  assert.equal((await statusOf(ours)).identity?.code, 'permission-denied');
  assert.equal((await peer.home.ask('refresh', THEIRS)).code, 1, 'nobody is proved who has no SVID');
  register(server, 3600);
  await ready();
  assert.equal((await peer.home.ask('refresh', THEIRS)).code, 0);

  // Its agent goes: what it gave stays good.
  await agent[Symbol.asyncDispose]();
  await until('the socket to be missed', async () => (await statusOf(ours)).identity?.code === 'unavailable');
  assert.deepEqual([(await statusOf(ours)).ready, (await statusOf(ours)).agent_id], [true, ID]);
  assert.equal((await peer.home.ask('refresh', THEIRS)).code, 0);
}
