import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndpointUrls } from '../../src/federation/fetch/endpoint-urls.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { addWithBundle, AgentWorld, endpointId, overSpiffe, peerName, serve } from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

describe('EndpointUrls', () => {
  const [one, two, three] = ['https://one/', 'https://two/', 'https://three/'];
  const addresses = { endpointUrl: one, moreEndpointUrls: [two, three] };

  it('prefers the one that answered for ten minutes, then begins with the first again', async () => {
    const clock = new TestClock(new Date());
    const urls = new EndpointUrls(clock);
    expect(urls.inOrder(addresses)).toEqual([one, two, three]);
    urls.answered(three, addresses);
    expect(urls.inOrder(addresses)).toEqual([three, one, two]);
    await clock.advance(599_999);
    // An answer in between makes it no longer.
    urls.answered(three, addresses);
    await clock.advance(1);
    expect(urls.inOrder(addresses)).toEqual([one, two, three]);
    urls.answered(two, addresses);
    urls.answered(one, addresses);
    expect(urls.inOrder(addresses)).toEqual([one, two, three]);
  });

  it('forgets a preference for an address that is none any more', () => {
    const urls = new EndpointUrls(new TestClock(new Date()));
    urls.answered(two, addresses);
    expect(urls.inOrder({ endpointUrl: one, moreEndpointUrls: [three] })).toEqual([one, three]);
    expect(urls.inOrder({ endpointUrl: one })).toEqual([one]);
  });

  it('keeps the last success and the last failure of each, in the order of the operator', () => {
    const clock = new TestClock(new Date());
    const urls = new EndpointUrls(clock);
    urls.failed(one, 'connect-failed', 'refused');
    urls.answered(two, addresses);
    urls.failed(two, 'status-refused', '503');
    expect(urls.health(addresses)).toEqual([
      {
        url: one,
        inUse: false,
        lastFailure: { at: clock.now(), code: 'connect-failed', message: 'refused' },
      },
      {
        url: two,
        inUse: true,
        lastSuccessAt: clock.now(),
        lastFailure: { at: clock.now(), code: 'status-refused', message: '503' },
      },
      { url: three, inUse: false },
    ]);
  });
});

describe('Federation with several addresses of a peer', () => {
  // OpenSSL's checks go by the real time.
  const now = new Date();
  let root: Authority;
  let next: Authority;
  let first: FakePeer;
  let second: FakePeer;
  let world: AgentWorld;

  beforeEach(async () => {
    [root, next] = [await createAuthority('root', now), await createAuthority('next', now)];
    [first, second] = [
      await FakePeer.start(await root.svid(endpointId)),
      await FakePeer.start(await root.svid(endpointId)),
    ];
    world = await AgentWorld.start(now);
    for (const peer of [first, second]) peer.answer = serve([root], { sequence: 5n });
    await world.federation.relationships.add({
      ...addWithBundle(first, [root], { sequence: 5n }),
      moreEndpointUrls: [second.url()],
    });
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
    await first.close();
    await second.close();
  });
  const inUse = () =>
    world.federation.peers
      .of(peerName)
      .endpoints()
      .find((each) => each.inUse)?.url;

  it('asks the first, and the next only when that gives no bundle', async () => {
    expect(await world.poll()).toBe('unchanged');
    expect(second.connections).toBe(0);
    first.answer = answers.status(503);
    expect(await world.poll()).toBe('unchanged');
    expect(second.connections).toBe(1);
    expect(world.state()).toBe('active');
    expect(world.federation.peers.of(peerName).endpoints()).toMatchObject([
      { url: first.url(), inUse: false, lastFailure: { code: 'status-refused' } },
      { url: second.url(), inUse: true },
    ]);
  });

  it('prefers the one that answered for a while, and tries the first again later', async () => {
    first.reception = 'reset';
    await world.poll();
    const asked = first.connections;
    await world.poll();
    expect(first.connections).toBe(asked);
    expect(inUse()).toBe(second.url());
    first.reception = 'tls';
    await world.clock.advance(600_000);
    await world.poll();
    expect(first.connections).toBeGreaterThan(asked);
    expect(inUse()).toBe(first.url());
  });

  it('authenticates every address by the same profile: one that shows another identity is passed over (FED-27)', async () => {
    first.answer = answers.status(503);
    second.become(await root.svid('spiffe://peer.example/somebody-else'));
    second.answer = serve([root, next], { sequence: 6n });
    expect(await world.poll()).toBe('failed status-refused');
    expect(world.trusted()).toEqual([root.x509.fingerprint]);
    const reason = world.federation.peers.status()[0]?.stateReason?.message;
    expect(reason).toContain(`${second.url()} [endpoint-id-mismatch]`);
  });

  it('refuses a lower sequence from whichever address it comes, and takes the next one that has a newer one (FED-48)', async () => {
    first.answer = answers.status(503);
    second.answer = serve([root, next], { sequence: 4n });
    expect(await world.poll()).toBe('refused sequence-rolled-back');
    expect(world.trusted()).toEqual([root.x509.fingerprint]);
    first.answer = serve([root, next], { sequence: 4n });
    second.answer = serve([root, next], { sequence: 6n });
    expect(await world.poll()).toBe('accepted');
    expect((await world.store.current(peerName))?.origin).toBe(second.url());
  });

  it('does not let another address answer away an offer that waits', async () => {
    await world.federation.relationships.change(peerName, {
      policy: 'ask-always',
      actor: 'operator:1',
      reason: 'careful',
    });
    first.answer = serve([root, next], { sequence: 6n });
    const asked = second.connections;
    expect(await world.poll()).toBe('quarantined policy-asks-always');
    expect(second.connections).toBe(asked);
    expect(world.state()).toBe('quarantined policy-asks-always');
  });

  it('a silent first address costs its own time limit, not more', async () => {
    first.reception = 'silence';
    const polling = world.poll();
    await first.until(({ connections }) => connections > 1);
    await world.clock.untilSleeping(1);
    await world.clock.advance(5000);
    expect(await polling).toBe('unchanged');
    expect(inUse()).toBe(second.url());
  });

  it('change replaces the addresses, on record', async () => {
    await world.federation.relationships.change(peerName, {
      endpointUrl: second.url(),
      moreEndpointUrls: [],
      actor: 'operator:1',
      reason: 'moved',
    });
    expect(
      world.federation.peers
        .of(peerName)
        .endpoints()
        .map(({ url }) => url),
    ).toEqual([second.url()]);
    expect(await world.store.relationship(peerName)).toMatchObject({ endpointUrl: second.url() });
    expect((await world.store.relationship(peerName))?.moreEndpointUrls).toBeUndefined();
    await expect(
      world.federation.relationships.change(peerName, {
        moreEndpointUrls: [second.url()],
        actor: 'operator:1',
        reason: 'twice',
      }),
    ).rejects.toMatchObject({ code: 'relationship-invalid' });
  });

  it('bootstraps from the next address where the first gives nothing, and from none where the pin does not fit', async () => {
    await world.federation.relationships.remove(peerName, { actor: 'operator:1', reason: 'anew' });
    first.reception = 'reset';
    const request = {
      trustDomain: peerName,
      endpointUrl: first.url(),
      moreEndpointUrls: [second.url()],
      profile: overSpiffe,
      actor: 'operator:1',
    };
    const pin = `sha256:${root.x509.keyFingerprint}` as never;
    const wrong = `sha256:${next.x509.keyFingerprint}` as never;
    await expect(
      world.federation.relationships.add({ ...request, bootstrap: { kind: 'pin', pin: wrong } }),
    ).rejects.toMatchObject({ code: 'pin-mismatch' });
    const { relationship } = await world.federation.relationships.add({
      ...request,
      bootstrap: { kind: 'pin', pin },
    });
    expect(relationship).toMatchObject({ endpointUrl: first.url(), moreEndpointUrls: [second.url()] });
    expect((await world.store.current(peerName))?.origin).toBe(second.url());
  });
});
