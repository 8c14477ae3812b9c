import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakePeer } from '../../testkit/fake-peer.ts';
import { addWithBundle, AgentWorld, endpointId, peerName, serve } from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

const now = new Date();
const MINUTE = 60_000;
let r1: Authority;
let r2: Authority;
let r3: Authority;
let peer: FakePeer;

beforeAll(async () => {
  const made = ['root 1', 'root 2', 'root 3'].map((name) => createAuthority(name, now));
  const [first, second, third] = await Promise.all(made);
  if (!first || !second || !third) throw new Error('three authorities were asked for');
  [r1, r2, r3] = [first, second, third];
});
beforeEach(async () => {
  peer = await FakePeer.start(await r1.svid(endpointId));
});
afterEach(() => peer.close());

/** The endpoint's next documents, a higher number each time. */
let sequence = 1n;
const offer = (authorities: readonly Authority[]) => {
  sequence += 1n;
  peer.answer = serve(authorities, { sequence, refreshHintSeconds: 300 });
};

async function federated(): Promise<AgentWorld> {
  const world = await AgentWorld.start(now);
  offer([r1]);
  await world.federation.relationships.add(
    addWithBundle(peer, [r1], { sequence: 1n, refreshHintSeconds: 300 }),
  );
  return world;
}

/** Changes the bundle until the peer has used up its budget. */
async function exhaust(world: AgentWorld): Promise<void> {
  for (let change = 0; change < 100; change += 1) {
    offer(change % 2 === 0 ? [r1, r2] : [r1, r3]);
    if ((await world.poll()).startsWith('flapping')) return;
  }
  throw new Error('one hundred changes in a moment were all taken');
}

describe('a peer that changes its bundle all the time', () => {
  it('is taken up to its budget, then one change a minute, and what is held stays in between', async () => {
    await using world = await federated();
    await exhaust(world);
    const versions = async () => (await world.store.history(peerName, { limit: 1000 })).length;
    expect(await versions()).toBe(21);
    expect(world.state()).toBe('flapping peer-flapping');
    const held = world.trusted();
    for (let second = 0; second < 3600; second += 10) {
      offer(second % 20 === 0 ? [r1, r2] : [r1, r3]);
      await world.poll();
      await world.clock.advance(10_000);
    }
    expect(held).toHaveLength(2);
    // An hour of it: at most one a minute, one incident, and one event for each version.
    expect(await versions()).toBeLessThanOrEqual(21 + 61);
    expect(await world.store.incidents({ trustDomain: peerName })).toHaveLength(1);
    expect((await world.store.events({ limit: 10_000 })).length).toBeLessThan(21 + 61 + 5);
    expect(world.changes.length).toBeLessThanOrEqual(21 + 61);
  });

  it('is polled often although no request is held at it, so that a removal is seen soon', async () => {
    await using world = await federated();
    await exhaust(world);
    expect(await world.clock.untilSleeping(1)).toEqual([10_000]);
    await world.clock.advance(10_000);
    expect(peer.requests.at(-1)?.headers['prefer'] ?? 'wait=0').toBe('wait=0');
  });

  it('loses a key at once when it takes one away, however often it changed before', async () => {
    await using world = await federated();
    await exhaust(world);
    expect(world.trusted()).toHaveLength(2);
    offer([r1]);
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toHaveLength(1);
    // The other budget is as empty as before.
    offer([r1, r2]);
    expect(await world.poll()).toBe('flapping peer-flapping');
    expect(world.trusted()).toHaveLength(1);
  });

  it('is active again, and the incident is over, once it was calm for half of its budget', async () => {
    await using world = await federated();
    await exhaust(world);
    await world.clock.advance(MINUTE + 15_000);
    expect(await world.poll()).toMatch(/accepted|unchanged/);
    expect(world.state()).toBe('flapping peer-flapping');
    for (let minute = 0; minute < 12; minute += 1) await world.clock.advance(MINUTE);
    expect(await world.poll()).toBe('unchanged');
    expect(world.state()).toBe('active');
    expect(await world.store.incidents({ trustDomain: peerName, open: true })).toEqual([]);
  });

  it('is let in at once by the word of an operator', async () => {
    await using world = await federated();
    await exhaust(world);
    const before = world.trusted();
    const decided = await world.federation.peers
      .of(peerName)
      .pollAgain({ actor: 'operator:1000', reason: 'a test' });
    expect(decided.outcome.kind).toBe('accepted');
    expect(world.trusted()).not.toEqual(before);
  });
});
