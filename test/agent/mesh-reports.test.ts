import { describe, expect, it } from 'vitest';
import { MeshReports } from '../../src/agent/mesh-reports.ts';
import type { PropagationState } from '../../src/mesh-adapters/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const west = parseTrustDomain('west.example');
const MS = 5000;

/**
 * Reports in which the mesh holds `west`, a caller that waits until it is gone, and a comparison
 * that has not ended.
 */
function waiting() {
  const clock = new TestClock(TEST_INSTANT);
  const reports = new MeshReports();
  const note = (state: PropagationState, code?: string) =>
    reports.note({ trustDomain: west, state, at: clock.now(), ...(code === undefined ? {} : { code }) });
  note('accepted');
  const { promise, resolve: compared } = Promise.withResolvers<void>();
  let ended = false;
  const isDone = (report: unknown) => report === undefined;
  const stopping = new AbortController();
  const { signal } = stopping;
  const after = reports
    .after(west, { settled: () => promise }, { isDone, clock, ms: MS, signal })
    .finally(() => {
      ended = true;
    });
  const hasEnded = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return ended;
  };
  return { clock, reports, note, compared, after, hasEnded, stopping };
}

describe('MeshReports', () => {
  it('keeps the instant of the first equal report', async () => {
    const { clock, reports, note } = waiting();
    await clock.advance(1000);
    expect(note('accepted')).toBe(false);
    expect(reports.of(west)?.at).toEqual(TEST_INSTANT);
    expect(note('accepted', 'stale-proxies')).toBe(true);
    expect(reports.list()).toMatchObject([{ code: 'stale-proxies', at: clock.now() }]);
    expect(note('removed')).toBe(true);
    expect(reports.list()).toEqual([]);
  });

  it('keeps the instant of the first failure, whatever the reason', async () => {
    const { clock, reports, note } = waiting();
    note('failed', 'mesh-silent');
    await clock.advance(1000);
    expect(note('failed', 'mesh-unreachable')).toBe(true);
    expect(reports.of(west)).toMatchObject({ code: 'mesh-unreachable', at: TEST_INSTANT });
  });

  it('does not trust a report from before the comparison', async () => {
    const { note, compared, after, hasEnded, clock } = waiting();
    note('removed');
    expect(await hasEnded()).toBe(false);
    compared();
    expect(await after).toEqual({ wasCompared: true, report: undefined });
    expect(clock.waits()).toEqual([]);
  });

  it('waits for a later report', async () => {
    const { note, compared, after, hasEnded, clock } = waiting();
    note('written', 'anchors-not-taken-out');
    compared();
    expect(await hasEnded()).toBe(false);
    note('removed');
    expect(await after).toEqual({ wasCompared: true, report: undefined });
    expect(clock.waits()).toEqual([]);
  });

  it.each([
    ['longer than that', 'while the mesh is compared', false],
    ['longer than that', 'after it was', true],
    ['an agent that stops', 'while the mesh is compared', false],
    ['an agent that stops', 'after it was', true],
  ])('does not wait for %s, %s', async (what, _when, wasCompared) => {
    const { clock, compared, after, hasEnded, stopping } = waiting();
    if (wasCompared) compared();
    expect(await hasEnded()).toBe(false);
    if (what === 'longer than that') await clock.advance(MS);
    else stopping.abort();
    expect(await after).toMatchObject({ wasCompared, report: { state: 'accepted' } });
    expect(clock.waits()).toEqual([]);
  });
});
