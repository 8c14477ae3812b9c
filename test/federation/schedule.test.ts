import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  defaultScheduleSettings as settings,
  nextPollDelayMs,
  pollIntervalMs,
} from '../../src/federation/fetch/schedule.ts';

const random = (fraction: number) => ({ fraction: () => fraction, bytes: () => new Uint8Array() });

describe('pollIntervalMs()', () => {
  it('is the hint, and five minutes without one (TDB-13, FED-44)', () => {
    expect(pollIntervalMs(60, settings)).toBe(60_000);
    expect(pollIntervalMs(600, settings)).toBe(600_000);
    expect(pollIntervalMs(undefined, settings)).toBe(300_000);
  });

  it('takes a hint of zero or less as absent, and holds others between floor and ceiling (TDB-11, TDB-12)', () => {
    expect(pollIntervalMs(0, settings)).toBe(300_000);
    expect(pollIntervalMs(-5, settings)).toBe(300_000);
    expect(pollIntervalMs(1, settings)).toBe(5_000);
    expect(pollIntervalMs(1e12, settings)).toBe(3_600_000);
    expect(pollIntervalMs(Number.NaN, settings)).toBe(300_000);
  });
});

describe('nextPollDelayMs()', () => {
  it('takes up to a tenth off and never adds (FED-46)', () => {
    expect(nextPollDelayMs(60, settings, random(0))).toBe(60_000);
    expect(nextPollDelayMs(60, settings, random(0.5))).toBe(57_000);
    expect(nextPollDelayMs(60, settings, random(0.999_999))).toBe(54_000);
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (hint, fraction) => {
          const delay = nextPollDelayMs(hint, settings, random(fraction));
          const interval = pollIntervalMs(hint, settings);
          expect(delay).toBeLessThanOrEqual(interval);
          expect(delay).toBeGreaterThanOrEqual(interval * 0.9 - 1);
        },
      ),
    );
  });
});
