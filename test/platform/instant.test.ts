import { describe, expect, it } from 'vitest';
import { parseInstant } from '../../src/platform/index.ts';

describe('parseInstant()', () => {
  it.each([
    ['2026-11-22T08:00:00Z', '2026-11-22T08:00:00.000Z'],
    ['2026-11-22T08:00Z', '2026-11-22T08:00:00.000Z'],
    ['2026-11-22T08:00:00.123456Z', '2026-11-22T08:00:00.123Z'],
    ['2026-11-22T09:00+01:00', '2026-11-22T08:00:00.000Z'],
    ['2026-11-22T00:30:00-05:30', '2026-11-22T06:00:00.000Z'],
    ['2028-02-29T00:00Z', '2028-02-29T00:00:00.000Z'],
  ])('reads %s', (text, instant) => {
    expect(parseInstant(text)?.toISOString()).toBe(instant);
  });

  it.each([
    ['a time without a zone', '2026-11-22T08:00:00'],
    ['a day alone', '2026-11-22'],
    ['a day that the calendar does not have', '2026-02-30T08:00Z'],
    ['a month that there is not', '2026-13-01T08:00Z'],
    ['an hour that there is not', '2026-11-22T24:00Z'],
    ['a leap second', '2026-11-22T23:59:60Z'],
    ['a blank in the middle', '2026-11-22 08:00Z'],
    ['a zone by name', '2026-11-22T08:00 UTC'],
    ['a zone that there is not', '2026-11-22T08:00+25:00'],
    ['another form of date', 'Nov 22 2026 Z'],
    ['a number', '1795334400'],
    ['lower case', '2026-11-22t08:00z'],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(parseInstant(text)).toBeUndefined();
  });
});
