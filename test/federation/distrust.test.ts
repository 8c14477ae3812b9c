import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseTrustDomain, type TrustDomain } from '../../src/spiffe/index.ts';
import { createFailingStore } from '../../testkit/failing-store.ts';
import { FakePeer } from '../../testkit/fake-peer.ts';
import { AgentWorld, addWithBundle, endpointId, peerName, serve } from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';

// OpenSSL's checks go by the real time.
const now = new Date();
const ownName = parseTrustDomain('own.example');
let one: Authority;
let two: Authority;
let peer: FakePeer;
let world: AgentWorld;

beforeEach(async () => {
  [one, two] = [await createAuthority('one', now), await createAuthority('two', now)];
  peer = await FakePeer.start(await one.svid(endpointId));
  world = await AgentWorld.start(now);
  peer.answer = serve([one, two], { sequence: 1n });
  await world.federation.relationships.add(addWithBundle(peer, [one, two], { sequence: 1n }));
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await peer.close();
});

const decision = (key: string, rest: { readonly reason?: string; readonly until?: Date } = {}) =>
  [peerName, key, { actor: 'operator:ann', reason: 'stolen', ...rest }] as const;
const held = () => world.federation.held.bundleFor(peerName)?.x509Authorities.length;

describe('Distrusts', () => {
  it('takes a root out at once, tells the listeners, and leaves the held bundle and its history alone', async () => {
    world.changes.length = 0;
    const out = await world.federation.distrusts.distrust(...decision(two.x509.fingerprint.slice(0, 8)));
    expect(out).toMatchObject({ wasTrusted: true, x509Left: 1, jwtLeft: 0 });
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
    expect(world.changes[0]).toEqual([peerName, 1]);
    expect(held()).toBe(2);
    expect(await world.store.history(peerName)).toHaveLength(1);
    expect((await world.store.events({ trustDomain: peerName }))[0]).toMatchObject({
      kind: 'key-distrusted',
      actor: 'operator:ann',
    });
  });

  it('keeps it out over polls, a new certificate over the same key, and a restart', async () => {
    await world.federation.distrusts.distrust(...decision(two.x509.keyFingerprint));
    expect(await world.poll()).toBe('unchanged');
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
    const renewed = { ...two, x509: await two.renewed() };
    peer.answer = serve([one, two, renewed], { sequence: 2n });
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
    await world.restart();
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
    expect(held()).toBe(3);
  });

  it('judges offers by what is held: a distrusted key that stays in the bundle is not a change', async () => {
    await world.federation.distrusts.distrust(...decision(two.x509.keyFingerprint));
    expect(await world.poll()).toBe('unchanged');
    expect((await world.store.history(peerName)).length).toBe(1);
  });

  it('counts for the polls themselves: an endpoint that proves itself by a distrusted root is refused', async () => {
    expect(await world.poll()).toBe('unchanged');
    await world.federation.distrusts.distrust(...decision(one.x509.keyFingerprint));
    expect(await world.poll()).toBe('failed svid-refused');
    peer.become(await two.svid(endpointId));
    expect(await world.poll()).toBe('unchanged');
    expect(world.trusted()).toEqual([two.x509.fingerprint]);
  });

  it('takes the last root of a peer too: nobody of it is accepted, and its endpoint cannot be asked', async () => {
    await world.federation.distrusts.distrust(...decision(one.x509.keyFingerprint));
    const out = await world.federation.distrusts.distrust(...decision(two.x509.keyFingerprint));
    expect(out.x509Left).toBe(0);
    expect(world.trusted()).toEqual([]);
    // The one that the first distrust has asked for may still be under way.
    await world.poll();
    expect(await world.poll()).toBe('failed endpoint-bundle-missing');
    expect(world.state()).toBe('needs-bootstrap endpoint-bundle-missing');
    await world.federation.distrusts.trustAgain(...decision(one.x509.keyFingerprint, { reason: 'was not' }));
    expect(await world.poll()).toBe('unchanged');
    expect(world.state()).toBe('active');
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
  });

  it('trustAgain() lets it count again where the bundle has it, on record, and only once', async () => {
    await world.federation.distrusts.distrust(...decision(two.x509.keyFingerprint));
    const key = await world.federation.distrusts.trustAgain(...decision(two.x509.fingerprint.slice(0, 6)));
    expect(key).toMatchObject({ reason: 'stolen' });
    expect(world.trusted()).toHaveLength(2);
    expect(world.federation.distrusts.list()).toEqual([]);
    await expect(
      world.federation.distrusts.trustAgain(...decision(two.x509.fingerprint)),
    ).rejects.toMatchObject({
      code: 'not-distrusted',
    });
    await world.restart();
    expect(world.trusted()).toHaveLength(2);
  });

  it('lets it count again by itself when its time out is over, on record; also while the agent was down', async () => {
    const until = new Date(now.getTime() + 60_000);
    await world.federation.distrusts.distrust(...decision(two.x509.keyFingerprint, { until }));
    world.changes.length = 0;
    await world.clock.advance(59_000);
    expect(world.trusted()).toHaveLength(1);
    await world.clock.advance(1000);
    expect(world.trusted()).toHaveLength(2);
    expect(world.changes[0]).toEqual([peerName, 2]);
    const recorded = async () => (await world.store.distrustedKeys()).length;
    await expect.poll(recorded).toBe(0);
    const events = await world.store.events({ trustDomain: peerName });
    expect(events.find(({ kind }) => kind === 'key-trusted-again')).toMatchObject({
      code: 'lapsed',
      actor: 'agent',
    });

    const later = new Date(now.getTime() + 120_000);
    await world.federation.distrusts.distrust(...decision(two.x509.keyFingerprint, { until: later }));
    await world.federation.stop();
    await world.clock.advance(120_000);
    await world.restart();
    expect(world.trusted()).toHaveLength(2);
    await expect.poll(recorded).toBe(0);
  });

  it('keeps a key out that nobody offers yet, and says so', async () => {
    const three = await createAuthority('three', now);
    const out = await world.federation.distrusts.distrust(...decision(`sha256:${three.x509.keyFingerprint}`));
    expect(out).toMatchObject({ wasTrusted: false, x509Left: 2 });
    peer.answer = serve([one, two, three], { sequence: 2n });
    expect(await world.poll()).toBe('accepted');
    expect(held()).toBe(3);
    expect(world.trusted()).toHaveLength(2);
  });

  it('quarantines a key of which another trust domain was robbed (TDB-42)', async () => {
    world.own = { trustDomain: ownName, x509Authorities: [], jwtAuthorities: [] };
    const three = await createAuthority('three', now);
    const [, key, by] = decision(three.x509.keyFingerprint);
    await world.federation.distrusts.distrust(ownName, key, by, { evenTheLast: true });
    peer.answer = serve([one, three], { sequence: 2n });
    expect(await world.poll()).toBe('quarantined distrusted-key-offered');
    expect(held()).toBe(2);
  });

  it.each<
    [
      what: string,
      wanted: { readonly name?: TrustDomain; readonly named?: string; readonly until?: Date },
      code: string,
    ]
  >([
    ['a key of nobody', { named: 'abcdef' }, 'key-not-found'],
    ['a stranger', { name: parseTrustDomain('stranger.example') }, 'not-federated'],
    ['an end that is past', { until: new Date(now.getTime() - 1) }, 'distrust-over'],
  ])('refuses %s and changes nothing', async (_what, { name, named, ...end }, code) => {
    const [peerOfTheKey, key, by] = decision(two.x509.keyFingerprint, end);
    await expect(
      world.federation.distrusts.distrust(name ?? peerOfTheKey, named ?? key, by),
    ).rejects.toMatchObject({ code });
    expect(world.trusted()).toHaveLength(2);
    expect(await world.store.distrustedKeys()).toEqual([]);
  });

  it('stays distrusted over the end of the relationship and a new beginning', async () => {
    await world.federation.distrusts.distrust(...decision(two.x509.keyFingerprint));
    await world.federation.relationships.remove(peerName, { actor: 'operator:ann', reason: 'over' });
    const { notes } = await world.federation.relationships.add(
      addWithBundle(peer, [one, two], { sequence: 1n }),
    );
    expect(notes).toContainEqual(expect.objectContaining({ code: 'distrusted-key' }));
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
  });
});

describe('Distrusts over a store that fails', () => {
  it('changes nothing in memory either, neither out nor in again', async () => {
    const store = createFailingStore(await openTestStore());
    await using failing = await AgentWorld.start(now, { store });
    await failing.federation.relationships.add(addWithBundle(peer, [one, two], { sequence: 1n }));
    store.failNext({ method: 'distrustKey' });
    const { distrusts } = failing.federation;
    await expect(distrusts.distrust(...decision(two.x509.keyFingerprint))).rejects.toMatchObject({
      code: 'store-full',
    });
    expect(failing.trusted()).toHaveLength(2);
    await distrusts.distrust(...decision(two.x509.keyFingerprint));
    store.failNext({ method: 'trustKeyAgain' });
    await expect(distrusts.trustAgain(...decision(two.x509.keyFingerprint))).rejects.toMatchObject({
      code: 'store-full',
    });
    expect(failing.trusted()).toHaveLength(1);
  });
});
