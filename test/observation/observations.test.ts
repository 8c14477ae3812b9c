import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimedIssuer } from '../../src/federation/holding/claimed-issuer.ts';
import { ConflictRecord } from '../../src/observation/record-conflict.ts';
import { createMetrics, silentLog } from '../../src/platform/index.ts';
import { SEEN_PATH, SEEN_TYPE, seenClaims } from '../../src/observation/seen-claims.ts';
import {
  bundleOf,
  parseTrustDomain,
  serializeBundle,
  signStatement,
  type TrustBundle,
} from '../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { federated, type Mesh } from './two-meshes.ts';

const third = parseTrustDomain('t.example');
const MINUTE = 60_000;
let a: Mesh;
let b: Mesh;
let caOfT: TestCa;
let endpointOfT: FakePeer;
/** What the endpoint of the third one shows to whom; who is not named sees the first. */
let shown: Map<string, TrustBundle>;
beforeEach(async () => {
  [a, b] = await federated();
  caOfT = await createTestCa({ trustDomain: third });
  const leaf = await caOfT.issueLeaf({ path: '/federate' });
  endpointOfT = await FakePeer.start({ certificatePem: leaf.certPem, keyPem: leaf.keyPem });
  shown = new Map([['', caOfT.bundle(1n)]]);
  // It knows who polls by what our agents say of themselves.
  endpointOfT.answer = (socket, request, reset) => {
    const asker = claimedIssuer(request.headers['federate-holding'] ?? '')?.trustDomain ?? '';
    const bundle = shown.get(asker) ?? shown.get('') ?? caOfT.bundle();
    const answer = request.path === '/' ? answers.document(serializeBundle(bundle)) : answers.status(404);
    answer(socket, request, reset);
  };
});
afterEach(async () => {
  await endpointOfT.close();
  await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
});

const bothFederateWithT = async () => {
  for (const mesh of [a, b]) await mesh.add(third, endpointOfT.url(), caOfT.bundle(1n));
};
/** The third one's bundle with one more root. */
const withAnother = async (sequence: bigint) => {
  const other = await createTestCa({ trustDomain: third });
  return bundleOf(third, [caOfT.authority, other.authority], { sequence });
};

describe('Two agents that federate', () => {
  it('find nothing as long as every endpoint shows all clients the same', async () => {
    await bothFederateWithT();
    shown.set('', await withAnother(2n));
    for (const mesh of [a, b]) await mesh.world.federation.peers.poll(third);
    await a.publish(bundleOf(a.name, [a.ca.authority], { sequence: 2n, refreshHintSeconds: 300 }));
    expect([await a.ask(b.name), await b.ask(a.name)]).toEqual(['compared', 'compared']);
    expect([await a.conflicts(), await b.conflicts()]).toEqual([[], []]);
  });

  it('catch an endpoint that shows them different bundles under one number, and say so loudly', async () => {
    await bothFederateWithT();
    shown.set(a.name, await withAnother(2n));
    shown.set(b.name, await withAnother(2n));
    for (const mesh of [a, b])
      expect((await mesh.world.federation.peers.poll(third))[0]?.outcome.kind).toBe('accepted');
    expect(await a.ask(b.name)).toBe('compared');
    expect(await a.conflicts()).toEqual(['other-content t.example']);
    const [event] = await a.world.store.events({ limit: 1 });
    expect(event).toMatchObject({ kind: 'equivocation', trustDomain: third, code: 'other-content' });
    expect(event?.message).toContain('the endpoint of t.example shows different bundles under one number');
    expect(a.world.log.records.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { code: 'other-content', subject: third, observer: b.name } },
    ]);
    // Said once, counted after that; and the other one finds it for himself.
    await a.ask(b.name);
    expect(await a.world.store.incidents({ trustDomain: third, open: true })).toMatchObject([{ count: 2 }]);
    await b.ask(a.name);
    expect(await b.conflicts()).toEqual(['other-content t.example']);
  });

  it('keep the alarm over a restart until that very peer reports that all is well, or is not one any more', async () => {
    await bothFederateWithT();
    const rows = () => a.world.store.incidents({ trustDomain: third, open: true });
    const other = parseTrustDomain('o.example');
    const otherCa = await createTestCa({ trustDomain: other });
    for (const mesh of [a, b]) shown.set(mesh.name, await withAnother(2n));
    for (const mesh of [a, b]) await mesh.world.federation.peers.poll(third);
    await a.ask(b.name);
    expect(await rows()).toHaveLength(1);
    const record = () =>
      new ConflictRecord({
        store: a.world.store,
        clock: a.world.clock,
        log: silentLog,
        metrics: createMetrics({ processMetrics: false }),
        relationships: () => a.world.federation.peers.status(),
      });
    // Another peer saw what we saw: the agent that was started again does not take that for the end.
    await record().fits(third, other, 'equivocation');
    expect(await rows()).toHaveLength(1);
    await record().report({ code: 'other-content', subject: third, observer: other, message: 'so it is' });
    await record().fits(third, b.name, 'equivocation');
    // The other one is not a peer of ours.
    expect(await rows()).toHaveLength(0);
    await a.add(other, endpointOfT.url(), otherCa.bundle(1n));
    await record().report({ code: 'other-content', subject: third, observer: other, message: 'so it is' });
    await record().fits(third, b.name, 'equivocation');
    expect(await rows()).toHaveLength(1);
    await record().forget(other);
    expect(await rows()).toHaveLength(0);
  });

  it('catch it also where the hostile offer was quarantined and never trusted', async () => {
    await bothFederateWithT();
    const stranger = await createTestCa({ trustDomain: third });
    shown.set(a.name, bundleOf(third, [a.ca.authority], { sequence: 2n }));
    shown.set(b.name, bundleOf(third, [caOfT.authority, stranger.authority], { sequence: 2n }));
    const kinds = [];
    for (const mesh of [a, b]) kinds.push((await mesh.world.federation.peers.poll(third))[0]?.outcome.kind);
    expect(kinds).toEqual(['quarantined', 'accepted']);
    await b.ask(a.name);
    expect(await b.conflicts()).toEqual(['other-content t.example']);
  });

  it('catch one that goes on showing an old bundle to one of them', async () => {
    await bothFederateWithT();
    shown.set(b.name, await withAnother(2n));
    await b.world.federation.peers.poll(third);
    await a.world.federation.peers.poll(third);
    await a.ask(b.name);
    expect(await a.conflicts()).toEqual([]);
    for (const mesh of [a, b]) await mesh.world.clock.advance(20 * MINUTE);
    await a.world.federation.peers.poll(third);
    await a.ask(b.name);
    expect(await a.conflicts()).toEqual(['kept-from-us t.example']);
    // Once it shows the new one to both, all is well again.
    shown.set('', shown.get(b.name) ?? caOfT.bundle());
    await a.world.federation.peers.poll(third);
    await a.ask(b.name);
    expect(await a.conflicts()).toEqual([]);
    expect((await a.world.store.events({ limit: 1 }))[0]).toMatchObject({ kind: 'recovered' });
  });

  it('learn when an endpoint shows a peer a bundle in our name that we never published', async () => {
    const forged = bundleOf(
      a.name,
      [a.ca.authority, (await createTestCa({ trustDomain: a.name })).authority],
      {
        sequence: 2n,
        refreshHintSeconds: 300,
      },
    );
    // Somebody with a stolen SVID of ours, in front of our endpoint.
    a.endpoint.publish(forged);
    expect((await b.world.federation.peers.poll(a.name))[0]?.outcome.kind).toBe('accepted');
    expect(await a.ask(b.name)).toBe('compared');
    expect(await a.conflicts()).toEqual(['never-published a.example']);
    const [incident] = await a.world.store.incidents({ open: true });
    expect(incident?.message).toContain(
      'the agent of b.example was shown a bundle of a.example that we never published',
    );
  });

  it('hear it from the poll itself too, which says what is held', async () => {
    const { observations } = a;
    const report = { trustDomain: b.name, since: TEST_INSTANT };
    await observations.noteHolding({
      ...report,
      digest: (await a.world.store.current(a.name))?.digest ?? '',
      sequence: 1n,
    });
    expect(await a.conflicts()).toEqual([]);
    // What was held before our history began is nobody's to judge.
    await observations.noteHolding({ ...report, digest: 'ab'.repeat(32), since: new Date(0) });
    expect(await a.conflicts()).toEqual([]);
    await observations.noteHolding({ ...report, digest: 'ab'.repeat(32), sequence: 1n });
    expect(await a.conflicts()).toEqual(['never-published a.example']);
  });

  it("keep each other's signed heads, and notice a history that is taken back", async () => {
    const first = await a.signHistory();
    await b.ask(a.name);
    await b.ask(a.name);
    expect(await b.world.store.peerHeads(a.name)).toMatchObject([{ ...first, signer: a.signer.id }]);
    await a.world.store.recordEvent({
      at: TEST_INSTANT,
      kind: 'mesh-updated',
      actor: 'agent',
      message: 'more',
    });
    const second = await a.signHistory();
    await b.ask(a.name);
    expect(await b.conflicts()).toEqual([]);
    expect((await b.world.store.peerHeads(a.name)).map(({ number }) => number)).toEqual([
      second.number,
      first.number,
    ]);
    // The store of a is replaced by one that begins anew.
    const newStore = await openTestStore();
    await newStore.recordEvent({ at: TEST_INSTANT, kind: 'agent-started', actor: 'agent', message: 'anew' });
    Object.assign(a.world.store, {
      chainHead: () => newStore.chainHead(),
      chainLinks: () => newStore.chainLinks(),
      recordHead: () => Promise.resolve(),
    });
    await a.signHistory();
    await b.ask(a.name);
    expect(await b.conflicts()).toEqual(['history-taken-back a.example']);
  });

  it('learn from a peer that their own history was doctored', async () => {
    await a.signHistory();
    await b.ask(a.name);
    await a.ask(b.name);
    expect(await a.conflicts()).toEqual([]);
    const newStore = await openTestStore();
    await newStore.recordEvent({ at: TEST_INSTANT, kind: 'agent-started', actor: 'agent', message: 'anew' });
    Object.assign(a.world.store, { chainLinks: (page: object) => newStore.chainLinks(page) });
    await a.ask(b.name);
    expect(await a.conflicts()).toEqual(['own-history-doctored a.example']);
    const [incident] = await a.world.store.incidents({ open: true });
    expect(incident?.message).toContain('which the agent of b.example kept');
  });
});

/** What is answered, and after how long: once it waits for its time, the clock is moved on by that. */
async function answerOf(plan: ReturnType<typeof a.observations.reception.accept>) {
  const { clock } = a.world;
  const [startMs, sleepers] = [clock.monotonicMs(), clock.waits().length];
  let answer: { readonly status: number } | undefined;
  let isOver = false;
  const answering = plan?.answer().then((given) => {
    answer = given;
    isOver = true;
  });
  while (!isOver && clock.waits().length === sleepers) await new Promise((resolve) => setImmediate(resolve));
  if (!isOver) await clock.advance(250);
  await answering;
  return { answer, ms: clock.monotonicMs() - startMs };
}

describe('Observations', () => {
  it('answers agents of relationships only, and nobody else learns that there is such a path', async () => {
    const stranger = await createTestCa({ trustDomain: 'x.example' });
    const leaf = await stranger.issueLeaf({ path: '/federate' });
    const { observations } = a;
    const accept = (holding?: string, rest: object = {}) =>
      observations.reception.accept({
        method: 'GET',
        path: SEEN_PATH,
        remoteAddress: '192.0.2.1',
        holding,
        ...rest,
      });
    const ask = async (holding: string) => {
      const plan = accept(holding);
      return { maxBodyBytes: plan?.maxBodyBytes, ...(await answerOf(plan)) };
    };
    const statement = (signer: typeof a.signer, audience = a.name) =>
      signStatement({
        type: 'federate-holding+jws',
        signer,
        audience,
        issuedAt: TEST_INSTANT,
        expiresAt: new Date(TEST_INSTANT.getTime() + MINUTE),
        claims: {},
      });
    const genuine = await statement(b.signer);
    expect((await ask(genuine)).answer).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/jose' },
    });
    expect(accept(undefined)).toBeUndefined();
    expect(accept(genuine, { method: 'POST' })).toBeUndefined();
    expect(accept(genuine, { path: '/other' })).toBeUndefined();
    // A stranger, one who claims to be b's agent, one whose words were for another: the same answer after the same time.
    const unproved = [
      'nonsense',
      await statement({ id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key }),
      await statement({ id: b.signer.id, certificateChain: leaf.chain, privateKey: leaf.key }),
      await statement(b.signer, third),
    ];
    for (const holding of unproved)
      expect(await ask(holding)).toEqual({ maxBodyBytes: 0, answer: undefined, ms: 250 });
  });

  it('bounds what one address can cause', async () => {
    const holding = await signStatement({
      type: 'federate-holding+jws',
      signer: b.signer,
      audience: a.name,
      issuedAt: TEST_INSTANT,
      expiresAt: new Date(TEST_INSTANT.getTime() + MINUTE),
      claims: {},
    });
    const request = { method: 'GET', path: SEEN_PATH, remoteAddress: '192.0.2.1', holding };
    let taken = 0;
    for (let time = 0; time < 40; time += 1)
      if ((await answerOf(a.observations.reception.accept(request))).answer) taken += 1;
    expect(taken).toBe(30);
  });

  it('takes only what the agent of that peer signed, for us, now, and well formed', async () => {
    const relationship = a.world.federation.peers.find(b.name)?.relationship;
    if (!relationship) throw new Error('unreachable');
    const take = async (over: object = {}) => {
      const request = {
        type: SEEN_TYPE,
        signer: b.signer,
        audience: a.name,
        issuedAt: TEST_INSTANT,
        expiresAt: new Date(TEST_INSTANT.getTime() + MINUTE),
        claims: seenClaims({ bundles: [] }),
        ...over,
      } as const;
      return a.observations.take(relationship, await signStatement(request));
    };
    expect(await take()).toBe('compared');
    const workload = await b.ca.issueLeaf({ path: '/workload' });
    const other = { id: workload.id, certificateChain: workload.chain, privateKey: workload.key };
    expect(await take({ signer: other })).toBe('not-proven');
    expect(await take({ signer: a.signer })).toBe('not-proven');
    expect(await take({ audience: third })).toBe('not-proven');
    expect(await take({ type: 'federate-holding+jws' })).toBe('not-proven');
    expect(await take({ claims: {} })).toBe('not-proven');
    expect(await take({ claims: { ...seenClaims({ bundles: [] }), seen: [{}] } })).toBe('not-proven');
    // Played again after a newer one was heard.
    const later = new Date(TEST_INSTANT.getTime() + 1000);
    expect(await take({ issuedAt: later })).toBe('compared');
    expect(await take()).toBe('not-proven');
    // A head that is not the peer's own, and one of ours that we never signed, are passed over.
    const head = await a.signHistory();
    const shownHead = { statement: head.statement ?? '', at: TEST_INSTANT };
    const garbage = { statement: 'x.y.z', at: TEST_INSTANT };
    expect(
      await take({
        issuedAt: later,
        claims: seenClaims({ bundles: [], head: shownHead, yourHead: garbage }),
      }),
    ).toBe('compared');
    expect(await a.world.store.peerHeads(b.name)).toEqual([]);
    expect(await a.conflicts()).toEqual([]);
  });

  it('asks by itself soon after a change and every few minutes, and plain endpoints less and less often', async () => {
    await a.add(third, endpointOfT.url(), caOfT.bundle(1n));
    const asked = () => endpointOfT.requests.filter(({ path }) => path === SEEN_PATH).length;
    const { world, observations } = a;
    const { clock } = world;
    observations.start();
    const pass = async (minutes: number) => {
      for (let second = 0; second < minutes * 60; second += 1) await clock.advance(1000);
    };
    await pass(0.5);
    await expect.poll(asked).toBe(1);
    await pass(1);
    await expect.poll(asked).toBe(2);
    await pass(1);
    expect(asked()).toBe(2);
    await pass(2);
    await expect.poll(asked).toBe(3);
    await pass(1);
    expect(asked()).toBe(3);
    await observations.stop();
  });

  it('asks a peer that changes all the time too', async () => {
    await a.add(third, endpointOfT.url(), caOfT.bundle(1n));
    const asked = () => endpointOfT.requests.filter(({ path }) => path === SEEN_PATH).length;
    const { world, observations } = a;
    const { clock } = world;
    observations.start();
    for (let change = 0; change < 30; change += 1) {
      observations.changed(third, true);
      await clock.advance(500);
    }
    await expect.poll(asked).toBeGreaterThan(0);
    await observations.stop();
  });
});
