import { describe, expect, it } from 'vitest';
import { formatDurationMs, parseDurationMs, parseSizeBytes } from '../../src/platform/index.ts';

describe('parseDurationMs()', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
  ])('reads %s', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });
  it.each([
    '',
    '5',
    '5 m',
    '-5s',
    '1.5h',
    '5M',
    'm',
    '99999999999999d',
  ])('refuses %j, a bare number included', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });
});

describe('parseSizeBytes()', () => {
  it.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
  ])('reads %s', (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
  });
  it.each(['', '64', '64kb', '1MB', '-1B'])('refuses %j', (text) => {
    expect(parseSizeBytes(text)).toBeUndefined();
  });
});

describe('formatDurationMs()', () => {
  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [90_000, '1m30s'],
    [3_600_000, '1h'],
    [90_061_000, '1d1h1m1s'],
  ])('writes %d as %s', (ms, text) => {
    expect(formatDurationMs(ms)).toBe(text);
  });
});
