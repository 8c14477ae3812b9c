import { describe, expect, it } from 'vitest';
import { ForeignTrust } from '../../src/agent/foreign-trust.ts';
import {
  type ForeignTrustReport,
  type MeshAdapter,
  MeshAdapterError,
} from '../../src/mesh-adapters/index.ts';
import { silentLog, systemRandom } from '../../src/platform/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import type { Store } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const west = parseTrustDomain('west.example');

type Answer = Partial<ForeignTrustReport> | 'nothing' | 'down';

/** A mesh that gives the next answers to each comparison; a missing one never arrives. */
async function startMesh(answers: readonly Answer[], before?: Store, isPeer = true) {
  const store = before ?? (await openTestStore());
  const clock = new TestClock(TEST_INSTANT);
  const bundles = isPeer ? [(await createTestCa({ trustDomain: west })).bundle()] : [];
  const stopping = new AbortController();
  const next = [...answers];
  let progressed = () => {};
  const adapter: MeshAdapter = {
    kind: 'linkerd',
    scope: 'merged',
    watchOwnTrust: async function* () {},
    presentTrust: async () => [],
    applyForeignTrust: async () => {
      const answer = next.shift();
      if (!answer) return await new Promise(() => {});
      if (answer === 'down') throw new MeshAdapterError('mesh-unreachable', 'nobody answers');
      if (answer === 'nothing') return [];
      const digest = bundles.length > 0 ? { digest: 'some digest' } : {};
      return [{ trustDomain: west, state: 'written', ...digest, at: clock.now(), ...answer }];
    },
    onReport: () => () => {},
    onProgress: (listener) => {
      progressed = listener;
      return () => {};
    },
    status: () => ({ connected: true }),
    stop: async () => {},
  };
  const federation = { bundles: { list: () => bundles }, holding: { reached: () => {} } };
  const context = { clock, random: systemRandom, log: silentLog, environment: {} };
  const trust = new ForeignTrust(adapter, federation, store, context, stopping.signal);
  await trust.start();
  return {
    clock,
    trust,
    store,
    stopping,
    compareNow: () => progressed(),
    /** Takes the peer away, as the federation does, and waits for the mesh. */
    remove: () => {
      bundles.splice(0);
      trust.compare();
      return trust.afterRemoval(west);
    },
    openIncidents: async () => (await store.incidents({ open: true })).map(({ code }) => code),
  };
}

/** A mesh that holds `west` and gives the next answers. */
async function withMesh(...answers: readonly Answer[]) {
  const mesh = await startMesh([{ state: 'accepted' }, ...answers]);
  await mesh.clock.untilSleeping();
  return mesh;
}

describe('ForeignTrust after a distrust', () => {
  it.each([
    ['holds what is left', { state: 'accepted' }, false],
    ['failed', { state: 'failed', code: 'mesh-unreachable' }, true],
    ['refused', { state: 'refused', code: 'mesh-refused' }, true],
    [
      'refused, and took out what ended',
      { state: 'refused', code: 'root-name-crowded', endedRootsStand: false },
      false,
    ],
  ] as const)('the mesh %s: whether the key may count there is known at once', async (_what, answer, mayCount) => {
    const { clock, trust } = await withMesh(answer);
    trust.compare();
    const after = trust.afterDistrust(west);
    await clock.untilSleeping(2);
    await clock.advance(20);
    expect(await after).toMatchObject({ report: answer, mayCount });
  });

  it('waits while roots that have ended stand where another writer brings them', async () => {
    const standing = { code: 'anchors-not-taken-out', endedRootsStand: true };
    const { clock, trust, compareNow } = await withMesh(standing, { state: 'accepted' });
    trust.compare();
    let ended = false;
    const after = trust.afterDistrust(west).finally(() => {
      ended = true;
    });
    await clock.untilSleeping(2);
    await clock.advance(20);
    await clock.untilSleeping(2);
    expect([trust.of(west)?.code, ended]).toEqual(['anchors-not-taken-out', false]);
    compareNow();
    await clock.untilSleeping(2);
    await clock.advance(20);
    expect(await after).toMatchObject({ report: { state: 'accepted' }, mayCount: false });
  });

  it('does not report a key as removed from a mesh that was not compared yet', async () => {
    const { clock, trust } = await startMesh([]);
    trust.compare();
    const after = trust.afterDistrust(west);
    await clock.untilSleeping();
    await clock.advance(5000);
    expect(await after).toMatchObject({ report: { state: 'failed', code: 'mesh-silent' }, mayCount: true });
  });

  it.each([
    ['never answers', []],
    ['has not taken it in', [{ state: 'pending' }]],
    ['keeps holding them', [{ code: 'anchors-not-taken-out', endedRootsStand: true }]],
  ] as const)('does not wait for ever for a mesh that %s', async (_what, answers) => {
    const { clock, trust } = await withMesh(...answers);
    trust.compare();
    const after = trust.afterDistrust(west);
    await clock.untilSleeping(2);
    await clock.advance(20);
    await clock.advance(5000);
    expect(await after).toMatchObject({ mayCount: true });
  });
});

describe('ForeignTrust after a removal', () => {
  it('reports that a silent mesh may still trust the peer, on record until it dropped the trust', async () => {
    const mesh = await withMesh();
    const removed = mesh.remove();
    await mesh.clock.untilSleeping(2);
    await mesh.clock.advance(20);
    await mesh.clock.advance(4980);
    const silent = { state: 'failed', code: 'mesh-silent', at: mesh.clock.now() };
    expect(await removed).toMatchObject(silent);
    expect(mesh.trust.list()).toMatchObject([silent]);
    expect(await mesh.openIncidents()).toEqual(['mesh-silent']);

    const restarted = await startMesh(['down', 'nothing'], mesh.store, false);
    await restarted.clock.untilSleeping();
    expect(restarted.trust.list()).toMatchObject([{ state: 'failed', code: 'mesh-unreachable' }]);
    restarted.compareNow();
    await restarted.clock.untilSleeping();
    await restarted.clock.advance(20);
    await restarted.clock.untilSleeping();
    expect(restarted.trust.list()).toEqual([]);
    expect(await restarted.openIncidents()).toEqual([]);
  });

  it.each([
    ['hangs', [], 'mesh-silent'],
    ['is down', ['down', 'down'], 'mesh-unreachable'],
  ] as const)('does not report that a mesh dropped trust which %s since the start', async (_what, answers, code) => {
    const mesh = await startMesh(answers);
    const removed = mesh.remove();
    await mesh.clock.untilSleeping(answers.length === 0 ? 1 : 2);
    await mesh.clock.advance(20);
    await mesh.clock.advance(4980);
    expect(await removed).toMatchObject({ state: 'failed', code });
  });

  it('has on record what verifiers still have, until they let go', async () => {
    const mesh = await withMesh({ state: 'accepted', code: 'stale-proxies' }, 'nothing');
    expect(await mesh.openIncidents()).toEqual([]);
    const removed = mesh.remove();
    await mesh.clock.untilSleeping(2);
    await mesh.clock.advance(20);
    await mesh.clock.untilSleeping(2);
    await mesh.clock.advance(4980);
    expect(await removed).toMatchObject({ state: 'accepted', code: 'stale-proxies' });
    expect(await mesh.openIncidents()).toEqual(['stale-proxies']);
    mesh.compareNow();
    await mesh.clock.untilSleeping();
    await mesh.clock.advance(20);
    await mesh.clock.untilSleeping();
    expect([mesh.trust.list(), await mesh.openIncidents()]).toEqual([[], []]);
  });

  it('waits no longer once the agent stops, and has that on record', async () => {
    const mesh = await withMesh();
    const removed = mesh.remove();
    await mesh.clock.untilSleeping(2);
    mesh.stopping.abort();
    expect(await removed).toMatchObject({ state: 'failed', code: 'mesh-silent' });
    expect(await mesh.openIncidents()).toEqual(['mesh-silent']);
  });
});
