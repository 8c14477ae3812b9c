import { describe, expect, it } from 'vitest';
import { MeshReports } from '../../src/app/agent/mesh-reports.ts';
import type { ForeignTrustPublisher, PropagationState } from '../../src/mesh-adapters/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../support/test-ca.ts';
import { TestClock } from '../support/test-clock.ts';

const west = parseTrustDomain('west.example');
const MS = 5000;

/** Reports in which the mesh holds `west`, and a removal of it that waits for a comparison which has not ended. */
function removing() {
  const clock = new TestClock(TEST_INSTANT);
  const reports = new MeshReports();
  const note = (state: PropagationState, code?: string) =>
    reports.note({ trustDomain: west, state, at: clock.now(), ...(code === undefined ? {} : { code }) });
  note('accepted');
  const { promise, resolve: compared } = Promise.withResolvers<void>();
  const publisher = { settled: () => promise } as unknown as ForeignTrustPublisher;
  let ended = false;
  const after = reports.afterRemoval(west, publisher, { clock, ms: MS }).finally(() => {
    ended = true;
  });
  const hasEnded = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return ended;
  };
  return { clock, reports, note, compared, after, hasEnded };
}

describe('MeshReports', () => {
  it('keeps the instant at which something was said first', async () => {
    const { clock, reports, note } = removing();
    await clock.advance(1000);
    expect(note('accepted')).toBe(false);
    expect(reports.of(west)?.at).toEqual(TEST_INSTANT);
    expect(note('accepted', 'stale-proxies')).toBe(true);
    expect(reports.list()).toMatchObject([{ code: 'stale-proxies', at: clock.now() }]);
    expect(note('removed')).toBe(true);
    expect(reports.list()).toEqual([]);
  });

  it('a removal ends when the mesh has let go, also after the comparison', async () => {
    const { note, compared, after, hasEnded, clock } = removing();
    note('removed');
    expect(await hasEnded()).toBe(false);
    note('written', 'anchors-not-taken-out');
    compared();
    expect(await hasEnded()).toBe(false);
    note('removed');
    expect(await after).toBeUndefined();
    expect(clock.waits()).toEqual([]);
  });

  it('a removal ends when the mesh has failed to let go, but not by a failure before the comparison', async () => {
    const { note, compared, after, hasEnded } = removing();
    note('failed', 'mesh-timeout');
    expect(await hasEnded()).toBe(false);
    note('failed', 'mesh-unreachable');
    compared();
    expect(await after).toMatchObject({ state: 'failed', code: 'mesh-unreachable' });
  });

  it.each(['while the mesh is compared', 'after it was'])('a removal ends in time, %s', async (when) => {
    const { clock, compared, after, hasEnded } = removing();
    if (when === 'after it was') compared();
    expect(await hasEnded()).toBe(false);
    await clock.advance(MS);
    expect(await after).toMatchObject({ state: 'accepted' });
  });
});
