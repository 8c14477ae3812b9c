import { describe, expect, it } from 'vitest';
import {
  type ForeignTrustReport,
  ForeignTrustPublisher,
  type MeshAdapter,
  MeshAdapterError,
} from '../../src/mesh-adapters/index.ts';
import { silentLog } from '../../src/platform/index.ts';
import { contentDigest, parseTrustDomain, type TrustBundle } from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

function fakeAdapter() {
  const asked: string[][] = [];
  const listeners = new Set<(report: ForeignTrustReport) => void>();
  const watchers = new Set<() => void>();
  let failures = 0;
  const adapter: MeshAdapter = {
    kind: 'files',
    scope: 'per-trust-domain',
    watchOwnTrust: async function* () {},
    presentTrust: async () => [],
    applyForeignTrust: async (wanted) => {
      asked.push(wanted.map(({ trustDomain }) => trustDomain));
      if (failures > 0) {
        failures -= 1;
        throw new MeshAdapterError('mesh-unreachable', 'nobody answers');
      }
      return wanted.map((bundle) => ({
        trustDomain: bundle.trustDomain,
        state: 'written',
        digest: contentDigest(bundle),
        at: TEST_INSTANT,
      }));
    },
    onReport: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onProgress: (listener) => {
      watchers.add(listener);
      return () => watchers.delete(listener);
    },
    status: () => ({ connected: true }),
    stop: async () => {},
  };
  return { adapter, asked, listeners, watchers, fail: (times: number) => (failures = times) };
}

async function setup() {
  const fake = fakeAdapter();
  const clock = new TestClock(TEST_INSTANT);
  const wanted: TrustBundle[] = [(await createTestCa({ trustDomain: 'west.example' })).bundle()];
  const reports: string[] = [];
  const publisher = new ForeignTrustPublisher({
    adapter: fake.adapter,
    wanted: () => wanted,
    onReport: ({ trustDomain, state, code }) =>
      reports.push([trustDomain, state, code].filter(Boolean).join(' ')),
    resyncMs: 60_000,
    clock,
    random: { fraction: () => 0.5, bytes: (length) => new Uint8Array(length) },
    log: silentLog,
  });
  return { ...fake, clock, wanted, reports, publisher };
}

describe('ForeignTrustPublisher', () => {
  it('writes at once, after each trigger, and when the resync is due', async () => {
    const { publisher, clock, asked, reports } = await setup();
    publisher.start();
    await publisher.settled();
    expect(reports).toEqual(['west.example written']);
    expect(await clock.untilSleeping()).toEqual([60_000]);
    publisher.trigger();
    publisher.trigger();
    // Simultaneous changes are written together.
    expect(await clock.untilSleeping()).toEqual([20]);
    await clock.advance(20);
    await publisher.settled();
    expect(asked).toHaveLength(2);
    await clock.untilSleeping();
    await clock.advance(60_000);
    expect(asked).toHaveLength(3);
    await publisher.stop();
  });

  it('has settled for callers that waited for a trigger, although later ones arrived', async () => {
    const { publisher, clock, adapter } = await setup();
    let tries = 0;
    adapter.applyForeignTrust = async () => {
      tries += 1;
      publisher.trigger();
      return [];
    };
    const first = publisher.settled();
    publisher.start();
    await first;
    expect(tries).toBe(1);
    const second = publisher.settled();
    await clock.untilSleeping();
    await clock.advance(20);
    await second;
    expect(tries).toBe(2);
    await publisher.stop();
  });

  it('compares again when the mesh has made something of what was written', async () => {
    const { publisher, clock, asked, watchers } = await setup();
    publisher.start();
    await publisher.settled();
    for (const notify of watchers) notify();
    await clock.untilSleeping();
    await clock.advance(20);
    await publisher.settled();
    expect(asked).toHaveLength(2);
    await publisher.stop();
    expect(watchers.size).toBe(0);
  });

  it('tries again with growing pauses after failures, and reports them by code', async () => {
    const { publisher, clock, asked, reports, fail } = await setup();
    fail(3);
    publisher.start();
    for (const pause of [375, 750, 1500]) {
      expect(await clock.untilSleeping()).toEqual([pause]);
      await clock.advance(pause);
    }
    expect(await clock.untilSleeping()).toEqual([60_000]);
    expect(asked).toHaveLength(4);
    expect(reports).toEqual([
      ...Array.from({ length: 3 }, () => 'west.example failed mesh-unreachable'),
      'west.example written',
    ]);
    await publisher.stop();
  });

  it('reports what may be there since before the start: a failed removal, and that it is gone', async () => {
    const { publisher, clock, wanted, reports, fail } = await setup();
    wanted.splice(0);
    fail(1);
    publisher.mayHold(parseTrustDomain('north.example'));
    publisher.start();
    expect(await clock.untilSleeping()).toEqual([375]);
    expect(publisher.hasCompared).toBe(false);
    await clock.advance(375);
    await clock.untilSleeping();
    expect(publisher.hasCompared).toBe(true);
    expect(reports).toEqual(['north.example failed mesh-unreachable', 'north.example removed']);
    await publisher.stop();
  });

  it('reports a failed removal until it succeeds', async () => {
    const { publisher, clock, wanted, reports, fail } = await setup();
    publisher.start();
    await publisher.settled();
    wanted.splice(0);
    fail(2);
    publisher.trigger();
    for (const pause of [20, 375, 750]) {
      expect(await clock.untilSleeping()).toEqual([pause]);
      await clock.advance(pause);
    }
    await clock.untilSleeping();
    expect(reports).toEqual([
      'west.example written',
      'west.example failed mesh-unreachable',
      'west.example failed mesh-unreachable',
      'west.example removed',
    ]);
    await publisher.stop();
  });

  it('reports what is gone, and later reports of the adapter', async () => {
    const { publisher, clock, wanted, reports, listeners } = await setup();
    publisher.start();
    await publisher.settled();
    const [bundle] = wanted.splice(0);
    publisher.trigger();
    await clock.untilSleeping();
    await clock.advance(20);
    expect(reports).toEqual(['west.example written', 'west.example removed']);
    if (bundle)
      for (const notify of listeners)
        notify({ trustDomain: bundle.trustDomain, state: 'accepted', at: TEST_INSTANT });
    expect(reports.at(-1)).toBe('west.example accepted');
    await publisher.stop();
    expect(listeners.size).toBe(0);
  });

  it('is neither blocked by triggers that never end, nor kept busy by them', async () => {
    const { publisher, clock, asked } = await setup();
    publisher.start();
    await clock.untilSleeping(1);
    let settled = 0;
    let longestMs = 0;
    for (let change = 0; change < 3000; change += 1) {
      publisher.trigger();
      const sinceMs = clock.monotonicMs();
      void publisher.settled().then(() => {
        settled += 1;
        longestMs = Math.max(longestMs, clock.monotonicMs() - sinceMs);
      });
      await clock.advance(10);
    }
    // Thirty seconds of a hundred changes each: a burst, then two tries a second.
    expect(asked.length).toBeGreaterThan(60);
    expect(asked.length).toBeLessThanOrEqual(1 + 20 + 61);
    await clock.advance(1000);
    expect(settled).toBe(3000);
    expect(longestMs).toBeLessThanOrEqual(1100);
    // After a quiet time a change is written at once again.
    await clock.advance(20_000);
    const before = asked.length;
    publisher.trigger();
    await clock.advance(0);
    await clock.advance(20);
    expect(asked.length).toBe(before + 1);
    await publisher.stop();
  });
});
