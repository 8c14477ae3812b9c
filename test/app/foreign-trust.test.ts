import { describe, expect, it } from 'vitest';
import { ForeignTrust } from '../../src/app/agent/foreign-trust.ts';
import type { FederationAgent } from '../../src/federation/index.ts';
import type { ForeignTrustReport, MeshAdapter } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemRandom } from '../../src/platform/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { createMemoryStore } from '../../src/store/index.ts';
import { createTestCa, TEST_INSTANT } from '../support/test-ca.ts';
import { TestClock } from '../support/test-clock.ts';

const west = parseTrustDomain('west.example');

/** A mesh that holds `west` and gives the next answers to each comparison; one that is missing never comes. */
async function withMesh(...answers: readonly Partial<ForeignTrustReport>[]) {
  const clock = new TestClock(TEST_INSTANT);
  const bundle = (await createTestCa({ trustDomain: west })).bundle();
  const next: Partial<ForeignTrustReport>[] = [{ state: 'accepted' }, ...answers];
  let progressed = () => {};
  const adapter: MeshAdapter = {
    kind: 'linkerd',
    scope: 'merged',
    watchOwnTrust: async function* () {},
    applyForeignTrust: async () => {
      const answer = next.shift();
      if (!answer) return await new Promise(() => {});
      return [{ trustDomain: west, state: 'written', at: clock.now(), ...answer }];
    },
    onReport: () => () => {},
    onProgress: (listener) => {
      progressed = listener;
      return () => {};
    },
    status: () => ({ connected: true }),
    stop: async () => {},
  };
  const federation = { bundles: { list: () => [bundle] }, noteInMesh: () => {} };
  const context = { clock, random: systemRandom, log: silentLog, environment: {} };
  const trust = new ForeignTrust(
    adapter,
    federation as unknown as FederationAgent,
    createMemoryStore(),
    context,
  );
  await clock.untilSleeping();
  return { clock, trust, compareNow: () => progressed() };
}

describe('ForeignTrust after a distrust', () => {
  it.each([
    ['holds what is left', { state: 'accepted' }, false],
    ['failed', { state: 'failed', code: 'mesh-unreachable' }, true],
    ['refused', { state: 'refused', code: 'mesh-refused' }, true],
  ] as const)('the mesh %s: whether the key may count there is known at once', async (_what, answer, mayCount) => {
    const { clock, trust } = await withMesh(answer);
    trust.compare();
    const after = trust.afterDistrust(west);
    await clock.untilSleeping(2);
    await clock.advance(20);
    expect(await after).toMatchObject({ report: answer, mayCount });
  });

  it('waits while roots that have ended stand where somebody else brings them', async () => {
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

  it.each([
    ['never answers', []],
    ['goes on holding them', [{ code: 'anchors-not-taken-out', endedRootsStand: true }]],
  ])('does not wait for ever for a mesh that %s', async (_what, answers) => {
    const { clock, trust } = await withMesh(...answers);
    trust.compare();
    const after = trust.afterDistrust(west);
    await clock.untilSleeping(2);
    await clock.advance(20);
    await clock.advance(5000);
    expect(await after).toMatchObject({ mayCount: true });
  });
});
