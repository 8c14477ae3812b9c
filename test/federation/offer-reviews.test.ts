import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contentDigest } from '../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { addWithBundle, AgentWorld, endpointId, overWeb, peerName, serve } from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

// OpenSSL's checks go by the real time.
const now = new Date();
let webCa: Authority;
let one: Authority;
let two: Authority;
let three: Authority;
let peer: FakePeer;
let world: AgentWorld;

beforeEach(async () => {
  [webCa, one, two, three] = (await Promise.all(
    ['web', 'one', 'two', 'three'].map((name) => createAuthority(name, now)),
  )) as [Authority, Authority, Authority, Authority];
  peer = await FakePeer.start(await webCa.web(['localhost']));
  world = await AgentWorld.start(now);
  peer.answer = serve([one], { sequence: 1n });
  const request = addWithBundle(peer, [one], { sequence: 1n });
  await world.federation.relationships.add({
    ...request,
    endpointUrl: peer.url('/', 'localhost'),
    profile: overWeb,
    bootstrap: { ...request.bootstrap, caPem: webCa.pem },
  });
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await peer.close();
});

const decision = ({
  digest,
  reason = 'Bob read it out',
}: {
  readonly digest?: string;
  readonly reason?: string;
} = {}) => [peerName, { actor: 'operator:ann', reason }, digest] as const;
const offerReplaced = async (by: Authority = two) => {
  peer.answer = serve([by], { sequence: 2n });
  expect(await world.poll()).toBe('quarantined all-roots-replaced');
};
const only = async () => {
  const [offer] = await world.federation.reviews.waiting(peerName);
  if (!offer) throw new Error('nothing waits');
  return offer;
};

describe('OfferReviews', () => {
  it('has nothing where nothing waits, and knows only peers', async () => {
    expect(await world.federation.reviews.waiting()).toEqual([]);
    await expect(world.federation.reviews.accept(...decision())).rejects.toMatchObject({
      code: 'nothing-waits',
    });
    await expect(world.federation.reviews.waiting(endpointId as never)).rejects.toMatchObject({
      code: 'not-federated',
    });
  });

  it('shows what waits: why, what changes, from where, since when and how often', async () => {
    await offerReplaced();
    await world.clock.advance(1000);
    await world.poll();
    expect(await only()).toMatchObject({
      status: 'quarantined',
      code: 'all-roots-replaced',
      origin: peer.url('/', 'localhost'),
      since: now,
      times: 2,
      lastAt: new Date(now.getTime() + 1000),
      diff: {
        addedX509: [{ fingerprint: two.x509.fingerprint }],
        removedX509: [{ fingerprint: one.x509.fingerprint }],
        keptX509: [],
      },
    });
  });

  it('accepts exactly what was shown, on record with who and why, and nothing waits any more', async () => {
    await offerReplaced();
    const { digest } = await only();
    const { outcome } = await world.federation.reviews.accept(...decision({ digest: digest.slice(0, 8) }));
    expect(outcome).toMatchObject({ kind: 'accepted', overridden: 'all-roots-replaced' });
    expect(world.trusted()).toEqual([two.x509.fingerprint]);
    expect(world.state()).toBe('active');
    expect(await world.federation.reviews.waiting()).toEqual([]);
    const events = await world.store.events({ trustDomain: peerName });
    expect(events.find(({ kind }) => kind === 'operator-override')).toMatchObject({
      actor: 'operator:ann',
      message: expect.stringContaining('Bob read it out'),
    });
  });

  it('does not accept what the endpoint offers instead, and says what that is', async () => {
    await offerReplaced();
    const { digest } = await only();
    peer.answer = serve([three], { sequence: 3n });
    await expect(world.federation.reviews.accept(...decision({ digest }))).rejects.toMatchObject({
      code: 'offer-changed',
      message: expect.stringContaining('all-roots-replaced'),
    });
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
    // It was shown anew, and has another digest.
    const other = await only();
    expect(other.times).toBe(1);
    await expect(world.federation.reviews.accept(...decision({ digest }))).rejects.toMatchObject({
      code: 'offer-changed',
    });
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
    await world.federation.reviews.accept(...decision({ digest: other.digest }));
    expect(world.trusted()).toEqual([three.x509.fingerprint]);
  });

  it('says so when the present offer needs no consent', async () => {
    await offerReplaced();
    const { digest } = await only();
    peer.answer = serve([one, three], { sequence: 3n });
    await expect(world.federation.reviews.accept(...decision({ digest }))).rejects.toMatchObject({
      code: 'offer-changed',
      message: expect.stringContaining('needs no consent'),
    });
    expect(world.trusted()).toHaveLength(2);
  });

  it('accepts nothing while the endpoint cannot be asked', async () => {
    await offerReplaced();
    peer.answer = answers.status(503);
    await expect(world.federation.reviews.accept(...decision())).rejects.toMatchObject({
      code: 'offer-not-confirmed',
    });
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
    // It is still there to decide on.
    expect((await only()).code).toBe('all-roots-replaced');
  });

  it('keeps a rejected content out for good: it is not asked about again, over polls and a restart', async () => {
    await offerReplaced();
    const { digest } = await only();
    await world.federation.reviews.reject(...decision({ digest, reason: 'not theirs' }));
    expect(world.state()).toBe('failing offer-rejected');
    // Another number on it changes nothing.
    peer.answer = serve([two], { sequence: 7n });
    expect(await world.poll()).toBe('refused offer-rejected');
    await world.restart();
    expect(await world.poll()).toBe('refused offer-rejected');
    expect(world.trusted()).toEqual([one.x509.fingerprint]);
    expect(await only()).toMatchObject({ status: 'rejected', digest });
    expect(await world.federation.reviews.rejected(peerName)).toMatchObject([
      { digest, reason: 'not theirs' },
    ]);
    // Another content is asked about as ever.
    await offerReplaced(three);
    expect((await only()).status).toBe('quarantined');
  });

  it('accept() takes no number that jumped on after it was shown, and takes one that was shown', async () => {
    await offerReplaced();
    const { digest } = await only();
    peer.answer = serve([two], { sequence: 2n ** 64n - 1n });
    await expect(world.federation.reviews.accept(...decision({ digest }))).rejects.toMatchObject({
      code: 'offer-changed',
    });
    expect(world.federation.held.bundleFor(peerName)?.sequence).toBe(1n);
    // An honest peer that numbers in milliseconds from now on, and the way out of a mistake.
    const millis = BigInt(world.clock.now().getTime());
    peer.answer = serve([one, two], { sequence: millis });
    expect(await world.poll()).toBe('quarantined sequence-jumped');
    expect((await world.federation.reviews.accept(...decision())).outcome).toMatchObject({
      overridden: 'sequence-jumped',
    });
    expect(await world.poll()).toBe('unchanged');
    peer.answer = serve([one], { sequence: 2n });
    expect(await world.poll()).toBe('refused sequence-rolled-back');
    await world.federation.reviews.accept(...decision());
    expect(world.federation.held.bundleFor(peerName)?.sequence).toBe(2n);
  });

  it('reconsider() takes a rejection back, on record: it is asked about again', async () => {
    await offerReplaced();
    const { digest } = await only();
    await world.federation.reviews.reject(...decision({ digest }));
    await expect(
      world.federation.reviews.reconsider(...decision({ digest: 'ffffff' })),
    ).rejects.toMatchObject({
      code: 'not-rejected',
    });
    const { outcome } = await world.federation.reviews.reconsider(
      ...decision({ digest: digest.slice(0, 6) }),
    );
    expect(outcome).toMatchObject({ kind: 'quarantined', code: 'all-roots-replaced' });
    expect((await world.store.events({ trustDomain: peerName })).map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['offer-rejected', 'offer-reconsidered']),
    );
    await expect(world.federation.reviews.reconsider(...decision())).rejects.toMatchObject({
      code: 'not-rejected',
    });
  });

  it('accepts what was rejected, and the rejection ends with it', async () => {
    await offerReplaced();
    const { digest } = await only();
    await world.federation.reviews.reject(...decision({ digest }));
    await world.federation.reviews.accept(...decision({ digest }));
    expect(world.trusted()).toEqual([two.x509.fingerprint]);
    expect(await world.federation.reviews.rejected()).toEqual([]);
  });

  it('shows and accepts a lost counter (FED-52)', async () => {
    peer.answer = serve([one, two], { sequence: 0n });
    expect(await world.poll()).toBe('refused sequence-rolled-back');
    const offer = await only();
    expect(offer).toMatchObject({ status: 'refused', code: 'sequence-rolled-back' });
    await world.federation.reviews.accept(...decision({ digest: offer.digest }));
    expect(world.trusted()).toHaveLength(2);
    expect(await world.poll()).toBe('unchanged');
  });

  it('does not hold a rejection of an earlier relationship against a new one (FED-60)', async () => {
    await offerReplaced();
    await world.federation.reviews.reject(...decision({ digest: contentDigest((await only()).offered) }));
    await world.federation.relationships.remove(peerName, { actor: 'operator:ann', reason: 'over' });
    await world.clock.advance(1000);
    const request = addWithBundle(peer, [one], { sequence: 1n });
    await world.federation.relationships.add({
      ...request,
      endpointUrl: peer.url('/', 'localhost'),
      profile: overWeb,
      bootstrap: { ...request.bootstrap, caPem: webCa.pem },
    });
    expect(await world.poll()).toBe('quarantined all-roots-replaced');
  });
});
