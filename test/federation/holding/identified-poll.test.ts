import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PeerHoldings } from '../../../src/federation/index.ts';
import { silentLog } from '../../../src/platform/index.ts';
import {
  BundleSet,
  contentDigest,
  parseTrustDomain,
  type StatementSigner,
} from '../../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../../testkit/fake-peer.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import { AgentWorld, addWithBundle, endpointId, peerName, serve } from '../agent-world.ts';
import { type Authority, createAuthority } from '../authority.ts';

const now = TEST_INSTANT;
const us = parseTrustDomain('us.example');
let ca: TestCa;
let signer: StatementSigner;
let r1: Authority;
let r2: Authority;
let peer: FakePeer;

beforeAll(async () => {
  ca = await createTestCa({ trustDomain: us });
  const leaf = await ca.issueLeaf({ path: '/agent' });
  signer = { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
  [r1, r2] = await Promise.all([createAuthority('root 1', now), createAuthority('root 2', now)]);
});
beforeEach(async () => {
  peer = await FakePeer.start(await r1.svid(endpointId));
  peer.answer = serve([r1], { sequence: 7n });
});
afterEach(() => peer.close());

const sent = () => peer.requests.map(({ headers }) => headers['federate-holding']);

/** What the polled side makes of the last request, when it knows us as `us.example/agent`. */
async function understood(clock = { now: () => now }) {
  const holdings = new PeerHoldings({
    ownTrustDomain: () => peerName,
    relationshipWith: (trustDomain) =>
      trustDomain === us
        ? {
            trustDomain: us,
            endpointUrl: 'https://us.example/',
            profile: { kind: 'https_web' },
            agentId: signer.id,
            state: 'active',
            consecutiveFailures: 0,
            createdAt: now,
            bootstrap: { kind: 'web-pki', detail: '' },
          }
        : undefined,
    bundles: new BundleSet([ca.bundle()]),
    clock: { ...clock, monotonicMs: () => 0, sleep: () => Promise.resolve() },
    log: silentLog,
  });
  void holdings.note({ address: '192.0.2.1', statement: sent().at(-1), heldTag: undefined });
  await expect.poll(() => holdings.of(us) !== undefined || holdings.plainPollers().length > 0).toBe(true);
  return holdings.of(us);
}

describe('An identified poll', () => {
  it('says which version is held since when, and how far it came in the mesh, signed by our SVID', async () => {
    await using world = await AgentWorld.start(now, { signer: () => signer });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 7n }));
    const digest = contentDigest(world.federation.bundles.bundleFor(peerName) ?? ca.bundle());
    expect(await understood()).toMatchObject({ digest, sequence: 7n, since: now, signer: signer.id });

    world.federation.holding.reached(peerName, digest, 'in-effect', now);
    await world.poll();
    expect(await understood()).toMatchObject({ digest, inMesh: { progress: 'in-effect', since: now } });

    // What came into effect was the version before: of the new one nothing is said until it did.
    peer.answer = serve([r1, r2], { sequence: 8n });
    expect(await world.poll()).toBe('accepted');
    await world.poll();
    const after = await understood();
    expect(after).toMatchObject({ sequence: 8n });
    expect(after?.inMesh).toBeUndefined();
  });

  it('is signed again only when it says something else, or nears its end', async () => {
    await using world = await AgentWorld.start(now, { signer: () => signer });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 7n }));
    await world.poll();
    await world.poll();
    expect(new Set(sent()).size).toBe(1);
    await world.clock.advance(5 * 60_000);
    await world.poll();
    expect(new Set(sent()).size).toBe(2);
  });

  it('says nothing without an SVID, and nothing while a peer is only being added', async () => {
    await using world = await AgentWorld.start(now);
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 7n }));
    await world.poll();
    expect(sent()).toEqual([undefined, undefined]);
  });

  it('is not said to where an endpoint redirects', async () => {
    await using world = await AgentWorld.start(now, { signer: () => signer });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 7n }));
    peer.requests.length = 0;
    peer.answer = answers.byPath({
      '/': answers.redirect(302, '/there'),
      '/there': serve([r1], { sequence: 7n }),
    });
    expect(await world.poll()).toBe('unchanged');
    expect(
      peer.requests.map(({ path, headers }) => [path, headers['federate-holding'] === undefined]),
    ).toEqual([
      ['/', false],
      ['/there', true],
    ]);
  });

  it('never costs a poll: an endpoint that refuses the header is asked again without it, and then always', async () => {
    await using world = await AgentWorld.start(now, { signer: () => signer });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 7n }));
    peer.requests.length = 0;
    const good = serve([r1], { sequence: 7n });
    peer.answer = (socket, request, reset) =>
      (request.headers['federate-holding'] === undefined ? good : answers.status(431))(
        socket,
        request,
        reset,
      );
    expect(await world.poll()).toBe('unchanged');
    expect(await world.poll()).toBe('unchanged');
    expect(sent().map((statement) => statement === undefined)).toEqual([false, true, true]);
  });

  it('goes on being said to an endpoint that refuses everything, whose refusal was not about it', async () => {
    await using world = await AgentWorld.start(now, { signer: () => signer });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 7n }));
    peer.requests.length = 0;
    peer.answer = answers.status(500);
    expect(await world.poll()).toBe('failed status-refused');
    expect(await world.poll()).toBe('failed status-refused');
    expect(sent().map((statement) => statement === undefined)).toEqual([false, true, false, true]);
  });

  it('says nothing any more of a peer that was removed', async () => {
    await using world = await AgentWorld.start(now, { signer: () => signer });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 7n }));
    await world.federation.relationships.remove(peerName, { actor: 'operator:1', reason: 'test' });
    world.federation.holding.reached(peerName, '00', 'written', now);
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 7n }));
    expect((await understood())?.inMesh).toBeUndefined();
  });
});
