import { describe, expect, it } from 'vitest';
import { CallerRates } from '../../../src/demonstration/sidecar/workload/caller-rates.ts';
import { parseSpiffeId, type SpiffeId } from '../../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';

const id = (name: string) => parseSpiffeId(`spiffe://a.example/${name}`);
const [a, b, c] = [id('a'), id('b'), id('c')];

function rates(more: { callers?: [SpiffeId, number][]; maxCallers?: number } = {}) {
  const clock = new TestClock(TEST_INSTANT);
  const callerRates = new CallerRates(clock, {
    requestsPerSecond: 2,
    burst: 3,
    callers: new Map(
      (more.callers ?? []).map(([caller, burst]) => [caller, { requestsPerSecond: 1, burst }]),
    ),
    maxCallers: more.maxCallers ?? 100,
  });
  const taken = (caller: SpiffeId, times: number) =>
    Array.from({ length: times }, () => callerRates.take(caller)).filter((waitMs) => waitMs === 0).length;
  return { clock, callerRates, taken };
}

describe('CallerRates', () => {
  it('allows a burst and then a steady rate, to each caller for itself', async () => {
    const { clock, callerRates, taken } = rates();
    expect([taken(a, 10), taken(b, 2)]).toEqual([3, 2]);
    expect(callerRates.take(a)).toBe(500);
    await clock.advance(1000);
    expect([taken(a, 10), taken(b, 10)]).toEqual([2, 3]);
  });

  it('knows callers with a rate of their own', () => {
    const { taken } = rates({ callers: [[a, 1]] });
    expect([taken(a, 10), taken(b, 10)]).toEqual([1, 3]);
  });

  it('holds a bounded number of callers, and those above it share one rate', async () => {
    const { clock, taken } = rates({ maxCallers: 2 });
    expect([taken(a, 1), taken(b, 1)]).toEqual([1, 1]);
    // Neither of the two can be forgotten: their buckets are not full.
    expect([taken(c, 2), taken(id('d'), 10)]).toEqual([2, 1]);
    // Forgetting a caller never gives it more than it had.
    expect([taken(a, 10), taken(b, 10)]).toEqual([2, 2]);
    await clock.advance(60_000);
    expect([taken(c, 10), taken(id('d'), 10)]).toEqual([3, 3]);
  });
});
