import { describe, expect, it } from 'vitest';
import { IdleTimer } from '../../../src/demonstration/sidecar/exchange/idle-timer.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';

describe('IdleTimer', () => {
  it('expires once, that long after the last touch', async () => {
    const clock = new TestClock(TEST_INSTANT);
    let expired = 0;
    const timer = new IdleTimer(clock, 1000, () => (expired += 1));
    await clock.advance(900);
    timer.touch();
    await clock.advance(900);
    expect(expired).toBe(0);
    await clock.advance(100);
    expect(expired).toBe(1);
    await clock.advance(5000);
    expect(expired).toBe(1);
  });

  it('never expires once it is stopped', async () => {
    const clock = new TestClock(TEST_INSTANT);
    let expired = 0;
    new IdleTimer(clock, 1000, () => (expired += 1)).stop();
    await clock.advance(5000);
    expect(expired).toBe(0);
    expect(clock.waits()).toEqual([]);
  });
});
