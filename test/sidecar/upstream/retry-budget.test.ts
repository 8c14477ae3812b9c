import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../../src/demonstration/sidecar/upstream/retry-budget.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';

function budget(ratio: number, minPerSecond: number) {
  const clock = new TestClock(TEST_INSTANT);
  const retries = new RetryBudget(clock, { ratio, minPerSecond });
  const request = (times: number) => {
    for (let turn = 0; turn < times; turn += 1) retries.noteRequest();
  };
  const granted = (times: number) =>
    Array.from({ length: times }, () => retries.take()).filter(Boolean).length;
  return { clock, request, granted };
}

describe('RetryBudget', () => {
  it('grants a share of the requests', () => {
    const { request, granted } = budget(0.2, 0);
    expect(granted(5)).toBe(0);
    request(100);
    expect(granted(100)).toBe(20);
    request(10);
    expect(granted(100)).toBe(2);
  });

  it('grants a few in any case', () => {
    expect(budget(0, 1).granted(100)).toBe(10);
    expect(budget(0, 0.1).granted(100)).toBe(1);
  });

  it('counts the last ten seconds', async () => {
    const { clock, request, granted } = budget(0.5, 0);
    request(10);
    await clock.advance(9000);
    expect(granted(2)).toBe(2);
    request(4);
    // The first ten requests no longer count; both retries still do.
    await clock.advance(1000);
    expect(granted(10)).toBe(0);
    await clock.advance(9000);
    expect(granted(10)).toBe(0);
    request(4);
    expect(granted(10)).toBe(2);
  });

  it('holds nothing from a time long ago', async () => {
    const { clock, request, granted } = budget(0.5, 0);
    request(1000);
    await clock.advance(3_600_000);
    expect(granted(10)).toBe(0);
  });
});
