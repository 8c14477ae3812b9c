import { until as untilTrue } from '../../testkit/until.ts';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, answers, FakePeer, head, type SeenRequest } from '../../testkit/fake-peer.ts';
import { addWithBundle, AgentWorld, documentOf, endpointId, peerName } from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

const now = new Date();
let r1: Authority;
let r2: Authority;
let peer: FakePeer;

/** Requests that are held, to be answered by the test. */
let held: (() => void)[];

beforeAll(async () => {
  [r1, r2] = await Promise.all([createAuthority('root 1', now), createAuthority('root 2', now)]);
});
beforeEach(async () => {
  peer = await FakePeer.start(await r1.svid(endpointId));
  held = [];
});
afterEach(() => peer.close());

const waitOf = ({ headers }: SeenRequest) => Number(/^wait=(\d+)$/.exec(headers['prefer'] ?? '')?.[1]);
const watches = () => peer.requests.filter((request) => waitOf(request) > 0).length;
const polls = () => peer.requests.length - watches();

/** An endpoint that holds requests for the document the client has. */
function holding(authorities: readonly Authority[], sequence: bigint): Answer {
  const etag = `"${sequence}"`;
  const applied = { 'preference-applied': 'wait' };
  const document = documentOf(authorities, { sequence, refreshHintSeconds: 300 });
  return (socket, request, reset) => {
    const nothingNew = request.headers['if-none-match'] === etag;
    if (!nothingNew || waitOf(request) === 0) {
      answers.document(document, { etag, ...applied })(socket, request, reset);
      return;
    }
    held.push(() =>
      peer.answer(socket, { ...request, headers: { ...request.headers, prefer: 'wait=0' } }, reset),
    );
  };
}

async function federated(options: Parameters<typeof AgentWorld.start>[1] = {}): Promise<AgentWorld> {
  const world = await AgentWorld.start(now, options);
  await world.federation.relationships.add(
    addWithBundle(peer, [r1], { sequence: 1n, refreshHintSeconds: 300 }),
  );
  return world;
}

const until = (condition: () => boolean) => untilTrue(condition, 'the watch');

describe('EndpointWatch', () => {
  it('hears of a change at once from an endpoint that holds requests, by an ordinary poll of its own', async () => {
    peer.answer = holding([r1], 1n);
    await using world = await federated();
    await until(() => held.length === 1);
    expect([polls(), watches()]).toEqual([1, 1]);
    peer.answer = holding([r1, r2], 2n);
    for (const answer of held.splice(0)) answer();
    await until(() => world.trusted()?.length === 2);
    expect(polls()).toBe(2);
    // And it goes on, for what comes after that.
    await until(() => held.length === 1);
    expect(world.state()).toBe('active');
  });

  it('asks an endpoint that does not hold requests only as often as its hint says (FED-44)', async () => {
    peer.answer = answers.document(documentOf([r1], { sequence: 1n, refreshHintSeconds: 300 }), {
      etag: '"1"',
    });
    await using world = await federated();
    await world.clock.untilSleeping(1);
    for (let interval = 0; interval < 3; interval += 1) await world.pollAfter(300_000, peer);
    expect([polls(), watches()]).toEqual([4, 0]);
  });

  it('is held again when the time is up, and by chance somewhat shorter than wished', async () => {
    peer.answer = holding([r1], 1n);
    await using world = await federated({ watch: { seconds: 100, most: 1 } });
    await until(() => held.length === 1);
    expect(waitOf(peer.requests.at(-1) as SeenRequest)).toBe(100);
    await world.clock.advance(100_000);
    for (const answer of held.splice(0)) answer();
    await until(() => held.length === 1);
    expect(watches()).toBe(2);
  });

  it('pauses twice as long each time for an endpoint that answers early or cries wolf', async () => {
    peer.answer = holding([r1], 1n);
    await using world = await federated();
    await until(() => held.length === 1);
    const wolf = answers.document(documentOf([r1], { sequence: 1n, refreshHintSeconds: 300 }), {
      'preference-applied': 'wait',
    });
    // Another document for whoever waits, the same one for whoever polls.
    const quiet = peer.answer;
    peer.answer = (socket, request, reset) => (waitOf(request) > 0 ? wolf : quiet)(socket, request, reset);
    for (const answer of held.splice(0)) answer();
    for (const pause of [500, 1000, 2000, 4000]) {
      await until(() => world.clock.waits()[0] === pause);
      const before = watches();
      await world.clock.advance(pause);
      await until(() => watches() > before);
    }
    expect(world.state()).toBe('active');
  });

  it('comes back after a restart of the endpoint, and hears then what it missed', async () => {
    peer.answer = holding([r1], 1n);
    await using world = await federated();
    await until(() => held.length === 1);
    peer.reception = 'reset';
    held.splice(0);
    const restarted = holding([r1, r2], 2n);
    // The connection dies with the old endpoint.
    peer.answer = restarted;
    peer.dropAll();
    await until(() => world.clock.waits()[0] === 500);
    peer.reception = 'tls';
    await world.clock.advance(500);
    await until(() => world.trusted()?.length === 2);
    expect(world.state()).toBe('active');
  });

  it('is held again at once where something on the way cuts what is held for long', async () => {
    peer.answer = holding([r1], 1n);
    await using world = await federated();
    for (const count of [1, 2, 3]) {
      await until(() => watches() === count);
      await world.clock.advance(60_000);
      peer.dropAll();
    }
    await until(() => watches() === 4);
    expect(polls()).toBe(1);
  });

  it('holds no more requests at once than allowed, and none where it is turned off', async () => {
    peer.answer = holding([r1], 1n);
    for (const watch of [
      { seconds: 300, most: 0 },
      { seconds: 0, most: 10 },
    ]) {
      await using world = await federated({ watch });
      await world.pollAfter(300_000, peer);
      expect(watches()).toBe(0);
    }
  });

  it('ends with the relationship: the held connection is closed and what comes late is dropped (FED-59)', async () => {
    peer.answer = holding([r1], 1n);
    await using world = await federated();
    await until(() => held.length === 1);
    await world.federation.relationships.remove(peerName, { actor: 'operator:0', reason: 'over' });
    await peer.until(({ openConnections }) => openConnections === 0);
    peer.answer = holding([r1, r2], 2n);
    for (const answer of held.splice(0)) answer();
    expect(world.trusted()).toBeUndefined();
    expect(world.clock.waits()).toEqual([]);
  });

  it('only rings: what a held answer brings is never read, whatever it is', async () => {
    peer.answer = holding([r1], 1n);
    await using world = await federated();
    await until(() => held.length === 1);
    const quiet = peer.answer;
    peer.answer = (socket, request, reset) => {
      if (waitOf(request) === 0) quiet(socket, request, reset);
      else socket.end(head(200, { 'content-length': '2' }) + '{}');
    };
    const seen = polls();
    peer.dropAll();
    await until(() => world.clock.waits()[0] === 500);
    await world.clock.advance(500);
    await until(() => polls() > seen);
    expect(world.trusted()).toHaveLength(1);
    expect(world.state()).toBe('active');
    expect(await world.store.incidents({ trustDomain: peerName })).toEqual([]);
  });
});
