import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../src/platform/index.ts';
import { TestClock } from '../../testkit/test-clock.ts';

describe('TokenBucket', () => {
  it('allows a burst, then one token in each interval, and never more than it holds', async () => {
    const clock = new TestClock(new Date(0));
    const bucket = new TokenBucket(clock, { most: 3, everyMs: 1000 });
    expect([bucket.take(), bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, true, false]);
    expect(bucket.waitMs()).toBe(1000);
    await clock.advance(999);
    expect(bucket.take()).toBe(false);
    await clock.advance(1);
    expect([bucket.take(), bucket.take()]).toEqual([true, false]);
    await clock.advance(3_600_000);
    expect(bucket.tokens).toBe(3);
  });

  it('takes the whole cost or nothing, and allows a cost above its capacity', async () => {
    const clock = new TestClock(new Date(0));
    const bucket = new TokenBucket(clock, { most: 3, everyMs: 1000 });
    expect(bucket.take(2)).toBe(true);
    expect(bucket.take(2)).toBe(false);
    expect(bucket.tokens).toBe(1);
    expect(bucket.waitMs(100)).toBe(2000);
    await clock.advance(2000);
    expect(bucket.take(100)).toBe(true);
    expect(bucket.tokens).toBe(0);
  });

  it('refuses settings that would never fill it', () => {
    const clock = new TestClock(new Date(0));
    expect(() => new TokenBucket(clock, { most: 0, everyMs: 1 })).toThrow(RangeError);
    expect(() => new TokenBucket(clock, { most: 1, everyMs: 0 })).toThrow(RangeError);
  });
});
