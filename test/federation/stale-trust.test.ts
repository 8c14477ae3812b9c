import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { addWithBundle, AgentWorld, endpointId, peerName, serve } from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

// OpenSSL's checks go by the real time.
const now = new Date();
const DAY_MS = 86_400_000;
let root: Authority;
let peer: FakePeer;
let world: AgentWorld;

beforeEach(async () => {
  root = await createAuthority('root', now);
  peer = await FakePeer.start(await root.svid(endpointId));
  // Polls by hand only: the clock is moved on by days.
  world = await AgentWorld.start(now, {
    schedule: { floorMs: 9 * DAY_MS, ceilingMs: 9 * DAY_MS, withoutHintMs: 9 * DAY_MS, jitterShare: 0 },
  });
  peer.answer = serve([root], { sequence: 1n });
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await peer.close();
});

const add = (rest: object = { staleAfterSeconds: 3600 }) =>
  world.federation.relationships.add({ ...addWithBundle(peer, [root], { sequence: 1n }), ...rest });
const incidents = async () =>
  (await world.store.incidents({ trustDomain: peerName, open: true })).map(({ kind }) => kind);

describe('the limit of age of a relationship (FED-57)', () => {
  it('ends the trust when no poll has succeeded for so long, and keeps the bundle', async () => {
    await add();
    expect(world.state()).toBe('active');
    world.changes.length = 0;
    await world.clock.advance(3_599_999);
    expect(world.trusted()).toEqual([root.x509.fingerprint]);
    await world.clock.advance(1);
    expect(world.trusted()).toBeUndefined();
    expect(world.federation.bundles.list()).toEqual([]);
    expect(world.changes).toEqual([[peerName, undefined]]);
    expect(world.state()).toBe('stale trust-stale');
    await expect.poll(incidents).toEqual(['trust-stale']);
    expect((await world.store.relationship(peerName))?.state).toBe('stale');
    expect(world.federation.held.bundleFor(peerName)?.x509Authorities).toHaveLength(1);
    expect(await world.store.current(peerName)).toBeDefined();
  });

  it('brings the trust back at once with the next good poll, which the stale bundle still verifies', async () => {
    await add();
    await world.clock.advance(3_600_000);
    world.changes.length = 0;
    expect(await world.poll()).toBe('unchanged');
    expect(world.trusted()).toEqual([root.x509.fingerprint]);
    expect(world.changes).toEqual([[peerName, 1]]);
    expect(world.state()).toBe('active');
    expect(await incidents()).toEqual([]);
    // And it counts from that poll on.
    await world.clock.advance(3_599_999);
    expect(world.trusted()).toBeDefined();
    await world.clock.advance(1);
    expect(world.trusted()).toBeUndefined();
  });

  it('goes on failing as stale, and says why the polls fail', async () => {
    await add();
    await world.clock.advance(3_600_000);
    peer.answer = answers.status(503);
    expect(await world.poll()).toBe('failed status-refused');
    expect(world.state()).toBe('stale trust-stale');
    const status = world.federation.peers.status()[0];
    expect(status?.stateReason?.message).toMatch(
      /none of its identities is accepted until one does; .*\[status-refused\]/,
    );
  });

  it('holds from the start on where it was down for too long, until the first good poll', async () => {
    await add();
    await world.federation.stop();
    await world.clock.advance(3_600_000);
    peer.answer = answers.status(503);
    await world.restart();
    expect(world.trusted()).toBeUndefined();
    await world.poll();
    expect(world.state()).toBe('stale trust-stale');
    // Said once, however often it was started in this state.
    await world.restart();
    expect(world.federation.peers.status()[0]?.stateReason?.message).not.toMatch(/nobody.*nobody/);
    peer.answer = serve([root], { sequence: 1n });
    await world.poll();
    expect(await world.poll()).toBe('unchanged');
    expect(world.trusted()).toBeDefined();
  });

  it('counts from the beginning where no poll ever succeeded', async () => {
    peer.answer = answers.status(503);
    await add();
    expect(world.trusted()).toBeDefined();
    await world.clock.advance(3_600_000);
    expect(world.trusted()).toBeUndefined();
  });

  it('has none by default: an outage costs freshness, not trust', async () => {
    await add({});
    await world.clock.advance(8 * DAY_MS);
    expect(world.trusted()).toBeDefined();
  });

  it('can be set, made longer and ended, each at once', async () => {
    await add({});
    const change = (staleAfterSeconds: number | null) => {
      peer.answer = answers.status(503);
      return world.federation.relationships.change(peerName, {
        staleAfterSeconds,
        actor: 'operator:1',
        reason: 'try',
      });
    };
    await world.clock.advance(7_200_000);
    await change(3600);
    expect(world.trusted()).toBeUndefined();
    await change(10_000);
    expect(world.trusted()).toBeDefined();
    await change(60);
    expect(world.trusted()).toBeUndefined();
    await change(null);
    expect(world.trusted()).toBeDefined();
    expect((await world.store.relationship(peerName))?.staleAfterSeconds).toBeUndefined();
  });

  it('is forgotten with the relationship', async () => {
    await add();
    await world.clock.advance(3_600_000);
    await world.federation.relationships.remove(peerName, { actor: 'operator:1', reason: 'anew' });
    await add({});
    expect(world.trusted()).toBeDefined();
  });
});
