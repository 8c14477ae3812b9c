import { describe, expect, it } from 'vitest';
import { ChangeBudget, defaultChangeBudgetSettings } from '../../src/federation/poll/change-budget.ts';
import { diffBundles } from '../../src/spiffe/index.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { madeUpBundle } from './made-up-bundle.ts';

const KIB = 1024;
const one = madeUpBundle('peer.example', ['r1']);
const two = madeUpBundle('peer.example', ['r1', 'r2']);
const adding = { diff: diffBundles(one, two), bytes: 2 * KIB };
const removing = { diff: diffBundles(two, one), bytes: 2 * KIB };
const settings = defaultChangeBudgetSettings;

/** How many such changes are taken in `hours`, tried every second. */
async function taken(changes: readonly (typeof adding)[], hours: number): Promise<number> {
  const clock = new TestClock(new Date(0));
  const budget = new ChangeBudget(clock, settings);
  let count = 0;
  for (let second = 0; second < hours * 3600; second += 1) {
    for (const change of changes) {
      if (budget.waitMs(change) > 0) continue;
      budget.spend(change);
      count += 1;
    }
    await clock.advance(1000);
  }
  return count;
}

describe('ChangeBudget', () => {
  it('takes a burst, then one change that brings keys a minute', async () => {
    expect(await taken([adding], 1)).toBe(20 + 59);
  });

  it('never lets a removal wait for longer than a quarter of a minute, and never for other changes', async () => {
    const clock = new TestClock(new Date(0));
    const budget = new ChangeBudget(clock, settings);
    while (budget.waitMs(adding) === 0) budget.spend(adding);
    expect(budget.waitMs(removing)).toBe(0);
    while (budget.waitMs(removing) === 0) budget.spend(removing);
    expect(budget.waitMs(removing)).toBeLessThanOrEqual(15_000);
  });

  it('counts a large document as several changes, so that bytes are bounded too', () => {
    const clock = new TestClock(new Date(0));
    const budget = new ChangeBudget(clock, settings);
    const large = { ...adding, bytes: 1024 * KIB };
    let bytes = 0;
    while (budget.waitMs(large) === 0) {
      budget.spend(large);
      bytes += large.bytes;
    }
    expect(bytes).toBe(1024 * KIB);
    expect(budget.waitMs(large)).toBe((17 - 3) * 60_000);
  });

  it('flaps from the first change that waits until half of its budget is there again', async () => {
    const clock = new TestClock(new Date(0));
    const budget = new ChangeBudget(clock, settings);
    while (budget.waitMs(adding) === 0) {
      expect(budget.isFlapping).toBe(false);
      budget.spend(adding);
    }
    expect(budget.isFlapping).toBe(true);
    await clock.advance(9 * 60_000);
    expect(budget.isFlapping).toBe(true);
    await clock.advance(60_000);
    expect(budget.isFlapping).toBe(false);
  });
});
