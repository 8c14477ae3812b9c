import { describe, expect, it } from 'vitest';
import { OutlierDetector } from '../../../src/demonstration/sidecar/upstream/outlier-detector.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';

const SETTINGS = { consecutiveFailures: 3, ejectionMs: 1000, maxEjectionMs: 2500, maxEjectedShare: 1 };

function detector(keys: string[], settings: Partial<typeof SETTINGS> = {}) {
  const clock = new TestClock(TEST_INSTANT);
  const ejections: [string, number][] = [];
  const outliers = new OutlierDetector(clock, { ...SETTINGS, ...settings }, (key, forMs) =>
    ejections.push([key, forMs]),
  );
  outliers.follow(keys);
  const fail = (key: string, times = 1) => {
    for (let turn = 0; turn < times; turn += 1) outliers.begin(key)('failed');
  };
  return { clock, outliers, ejections, fail };
}

describe('OutlierDetector', () => {
  it('takes an endpoint out after failures one after the other, and no success between', () => {
    const { outliers, fail } = detector(['a', 'b']);
    fail('a', 2);
    outliers.begin('a')('good');
    fail('a', 2);
    outliers.begin('a')('unknown');
    expect(outliers.isUsable('a')).toBe(true);
    fail('a');
    expect([outliers.isUsable('a'), outliers.isUsable('b'), outliers.ejected]).toEqual([false, true, 1]);
  });

  it('lets one request at a time try an endpoint after its time, and takes it back when that is good', async () => {
    const { clock, outliers, fail } = detector(['a']);
    fail('a', 3);
    await clock.advance(999);
    expect(outliers.isUsable('a')).toBe(false);
    await clock.advance(1);
    expect([outliers.isUsable('a'), outliers.ejected]).toEqual([true, 0]);
    const end = outliers.begin('a');
    expect(outliers.isUsable('a')).toBe(false);
    end('good');
    expect(outliers.isUsable('a')).toBe(true);
    fail('a', 2);
    expect(outliers.isUsable('a')).toBe(true);
  });

  it('lets another request try when the first says nothing', async () => {
    const { clock, outliers, fail } = detector(['a']);
    fail('a', 3);
    await clock.advance(1000);
    outliers.begin('a')('unknown');
    expect(outliers.isUsable('a')).toBe(true);
  });

  it('leaves it out longer each time, up to the limit, and forgives while it works', async () => {
    const { clock, outliers, ejections, fail } = detector(['a']);
    fail('a', 3);
    for (const wait of [1000, 2000, 2500]) {
      await clock.advance(wait);
      fail('a');
    }
    expect(ejections.map(([, forMs]) => forMs)).toEqual([1000, 2000, 2500, 2500]);
    await clock.advance(2500);
    outliers.begin('a')('good');
    await clock.advance(3000);
    fail('a', 3);
    expect(ejections.at(-1)).toEqual(['a', 2000]);
  });

  it('never takes out more than the share, so the last ones stay in', () => {
    const { outliers, fail } = detector(['a', 'b', 'c'], { maxEjectedShare: 0.67 });
    for (const key of ['a', 'b', 'c']) fail(key, 10);
    expect(['a', 'b', 'c'].map((key) => outliers.isUsable(key))).toEqual([false, false, true]);
    const alone = detector(['a'], { maxEjectedShare: 0.5 });
    alone.fail('a', 10);
    expect(alone.outliers.isUsable('a')).toBe(true);
  });

  it('keeps an endpoint in whose trial failed while too many others are out', async () => {
    const { clock, outliers, fail } = detector(['a', 'b'], { maxEjectedShare: 0.5 });
    fail('a', 3);
    await clock.advance(1000);
    fail('b', 3);
    expect([outliers.isUsable('a'), outliers.isUsable('b')]).toEqual([true, false]);
    fail('a');
    expect(outliers.isUsable('a')).toBe(true);
  });

  it('ignores the end of a request that began before the ejection', async () => {
    const { clock, outliers, ejections, fail } = detector(['a']);
    const late = [outliers.begin('a'), outliers.begin('a')];
    fail('a', 3);
    late[0]?.('good');
    late[1]?.('failed');
    expect(outliers.isUsable('a')).toBe(false);
    expect(ejections).toEqual([['a', 1000]]);
    await clock.advance(1000);
    expect(outliers.isUsable('a')).toBe(true);
  });

  it('forgets an endpoint that is gone, and does not know one that never was', () => {
    const { outliers, fail } = detector(['a', 'b']);
    fail('a', 3);
    outliers.follow(['b']);
    expect(outliers.ejected).toBe(0);
    outliers.follow(['a', 'b']);
    expect(outliers.isUsable('a')).toBe(true);
    outliers.begin('never')('failed');
    expect(outliers.isUsable('never')).toBe(true);
  });
});
