import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { addWithBundle, AgentWorld, documentOf, endpointId, peerName, serve } from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

const now = new Date();
let r1: Authority;
let r2: Authority;
let peer: FakePeer;

beforeAll(async () => {
  [r1, r2] = await Promise.all([createAuthority('root 1', now), createAuthority('root 2', now)]);
});

beforeEach(async () => {
  peer = await FakePeer.start(await r1.svid(endpointId));
});

afterEach(() => peer.close());

describe('Federation and its schedule', () => {
  it('polls at the hint of the bundle it holds, and follows a change of the hint (FED-44)', async () => {
    await using world = await AgentWorld.start(now);
    peer.answer = serve([r1], { sequence: 1n, refreshHintSeconds: 60 });
    await world.federation.relationships.add(
      addWithBundle(peer, [r1], { sequence: 1n, refreshHintSeconds: 60 }),
    );
    expect(await world.clock.untilSleeping(1)).toEqual([60_000]);
    await world.clock.advance(59_999);
    expect(peer.connections).toBe(1);
    peer.answer = serve([r1], { sequence: 1n, refreshHintSeconds: 600 });
    await world.pollAfter(1, peer);
    expect(world.clock.waits()).toEqual([600_000]);
    peer.answer = serve([r1], { sequence: 1n });
    await world.pollAfter(600_000, peer);
    expect(world.clock.waits()).toEqual([300_000]);
    expect(world.federation.peers.status()[0]?.nextPollAt).toEqual(
      new Date(world.clock.now().getTime() + 300_000),
    );
  });

  it('retries a few times soon after a failure, then waits for each interval: ten intervals, ten attempts (FED-45)', async () => {
    await using world = await AgentWorld.start(now);
    peer.answer = answers.status(503);
    await world.federation.relationships.add(
      addWithBundle(peer, [r1], { sequence: 1n, refreshHintSeconds: 60 }),
    );
    expect(peer.connections).toBe(1);
    for (const seconds of [2, 4, 8, 16, 32]) {
      expect(world.clock.waits()).toEqual([seconds * 1000]);
      await world.pollAfter(seconds * 1000, peer);
    }
    for (let interval = 0; interval < 10; interval += 1) {
      expect(world.clock.waits()).toEqual([60_000]);
      await world.pollAfter(60_000, peer);
    }
    expect(peer.connections).toBe(16);
    expect(world.federation.peers.status()[0]?.consecutiveFailures).toBe(16);
  });

  it('asks a peer at once when it proves that it is back, but no more often than the floor allows', async () => {
    await using world = await AgentWorld.start(now);
    peer.answer = answers.status(503);
    await world.federation.relationships.add(
      addWithBundle(peer, [r1], { sequence: 1n, refreshHintSeconds: 300 }),
    );
    for (const seconds of [2, 4, 8, 16, 32, 64]) await world.pollAfter(seconds * 1000, peer);
    expect(world.clock.waits()).toEqual([128_000]);
    // It is up again, yet its endpoint still fails: the next poll is at once, the one after that waits for the floor.
    await world.clock.advance(10_000);
    world.federation.peers.find(peerName)?.peerIsBack();
    await world.pollAfter(0, peer);
    for (let time = 0; time < 100; time += 1) world.federation.peers.find(peerName)?.peerIsBack();
    expect(await world.clock.untilSleeping(1)).toEqual([5_000]);
    peer.answer = serve([r1, r2], { sequence: 2n });
    await world.pollAfter(5_000, peer);
    expect(world.trusted()).toHaveLength(2);
    // A peer that answers is asked by its hint, whatever it proves.
    world.federation.peers.find(peerName)?.peerIsBack();
    expect(await world.clock.untilSleeping(1)).toEqual([300_000]);
  });

  it('bounds the retries of all peers together, and still asks each at its interval', async () => {
    const asked = new Map<string, number>();
    const lookup = (host: string) => {
      asked.set(host, (asked.get(host) ?? 0) + 1);
      return Promise.reject(new Error('the network is down'));
    };
    const total = () => [...asked.values()].reduce((sum, times) => sum + times, 0);
    await using world = await AgentWorld.start(now, { lookup });
    const peers = 200;
    for (let index = 0; index < peers; index += 1) {
      const trustDomain = parseTrustDomain(`peer-${index}.example`);
      const rest = { sequence: 1n, refreshHintSeconds: 300 };
      await world.federation.relationships.add({
        ...addWithBundle(peer, [await createAuthority(`root ${index}`, now)]),
        trustDomain,
        endpointUrl: `https://${trustDomain}/`,
        profile: { kind: 'https_web' },
        bootstrap: { kind: 'bundle', document: Buffer.from(documentOf([r1], rest, trustDomain)) },
      });
      r1 = await createAuthority('root 1', now);
    }
    expect(total()).toBe(peers);
    await world.clock.advance(4000);
    // 32 at once and 10 a second.
    expect(total() - peers).toBeGreaterThan(32);
    expect(total() - peers).toBeLessThanOrEqual(32 + 40);
    await world.clock.advance(300_000);
    expect(Math.min(...asked.values())).toBeGreaterThanOrEqual(2);
    expect(total() - peers).toBeLessThanOrEqual(peers + 32 + 3040);
  });

  it('begins a new interval when it was asked to poll in between', async () => {
    await using world = await AgentWorld.start(now);
    peer.answer = serve([r1], { sequence: 1n, refreshHintSeconds: 60 });
    await world.federation.relationships.add(
      addWithBundle(peer, [r1], { sequence: 1n, refreshHintSeconds: 60 }),
    );
    await world.clock.untilSleeping(1);
    await world.clock.advance(30_000);
    expect(await world.poll()).toBe('unchanged');
    expect(await world.clock.untilSleeping(1)).toEqual([60_000]);
  });

  it('has one fetch in flight for all callers, and each gets its result', async () => {
    await using world = await AgentWorld.start(now);
    peer.answer = serve([r1], { sequence: 1n });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    peer.answer = serve([r1, r2], { sequence: 2n });
    const seen = peer.connections;
    const results = await Promise.all([
      world.federation.peers.poll(peerName),
      world.federation.peers.poll(),
      world.federation.peers.poll(peerName),
    ]);
    expect(peer.connections).toBe(seen + 1);
    expect(results.flat().map(({ outcome }) => outcome.kind)).toEqual(['accepted', 'accepted', 'accepted']);
  });

  it('polls no more peers at once than allowed, and every one of them (invariant 7)', async () => {
    await using world = await AgentWorld.start(now, { concurrency: 2 });
    const names = Array.from({ length: 6 }, (_, index) => parseTrustDomain(`peer-${index}.example`));
    const profile = { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://peer-0.example/e') } as const;
    const roots = await Promise.all(names.map((name) => createAuthority(name, now)));
    peer.become((await roots[0]?.svid('spiffe://peer-0.example/e')) ?? { certificatePem: '', keyPem: '' });
    for (const [index, trustDomain] of names.entries()) {
      const document = documentOf(roots.slice(index, index + 1), { sequence: 1n }, trustDomain);
      peer.answer = answers.document(document);
      const bootstrap = { kind: 'bundle', document: Buffer.from(document) } as const;
      await world.federation.relationships.add({
        trustDomain,
        profile,
        endpointUrl: peer.url(),
        bootstrap,
        actor: 'operator:1000',
      });
    }
    let open = 0;
    let most = 0;
    peer.answer = (socket, request, reset) => {
      open += 1;
      most = Math.max(most, open);
      setImmediate(() => {
        open -= 1;
        answers.status(503)(socket, request, reset);
      });
    };
    const seen = peer.requests.length;
    const results = await world.federation.peers.poll();
    expect(results.map(({ trustDomain }) => trustDomain).sort()).toEqual([...names].sort());
    expect(peer.requests.length - seen).toBe(6);
    expect(most).toBeLessThanOrEqual(2);
  });

  it('gives up a silent peer after the limit and goes on with the others', async () => {
    await using world = await AgentWorld.start(now, { concurrency: 1 });
    peer.answer = serve([r1], { sequence: 1n });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    const other = parseTrustDomain('other.example');
    const otherId = parseSpiffeId('spiffe://other.example/e');
    await using good = await FakePeer.start(await r2.svid(otherId));
    good.answer = serve([r2], { sequence: 1n }, other);
    await world.federation.relationships.add({
      trustDomain: other,
      endpointUrl: good.url(),
      profile: { kind: 'https_spiffe', endpointId: otherId },
      bootstrap: { kind: 'bundle', document: Buffer.from(documentOf([r2], { sequence: 1n }, other)) },
      actor: 'operator:1000',
    });
    peer.answer = answers.silence();
    const seen = peer.requests.length;
    const refreshing = world.federation.peers.poll();
    await peer.until(({ requests }) => requests.length > seen);
    await world.clock.advance(10_000);
    const outcomes = new Map((await refreshing).map(({ trustDomain, outcome }) => [trustDomain, outcome]));
    expect(outcomes.get(peerName)).toMatchObject({ kind: 'failed', code: 'first-byte-timeout' });
    expect(outcomes.get(other)).toEqual({ kind: 'unchanged' });
  });

  it('stops at once with a fetch in flight, and leaves no timer behind', async () => {
    const world = await AgentWorld.start(now);
    peer.answer = serve([r1], { sequence: 1n });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    peer.answer = answers.silence();
    const seen = peer.requests.length;
    const polling = world.poll();
    await peer.until(({ requests }) => requests.length > seen);
    await world[Symbol.asyncDispose]();
    expect(await polling).toBe('called-off');
    expect(world.clock.waits()).toEqual([]);
  });
});
