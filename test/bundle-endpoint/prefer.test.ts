import { describe, expect, it } from 'vitest';
import { LONGEST_WAIT_SECONDS, preferredWaitSeconds } from '../../src/bundle-endpoint/prefer.ts';

describe('preferredWaitSeconds()', () => {
  it.each([
    ['wait=30', 30],
    ['Wait=30', 30],
    ['wait="30"', 30],
    ['wait = 30', 30],
    ['wait=30; kind=firm', 30],
    ['respond-async, wait=10, wait=20', 10],
    ['wait=0', 0],
    ['wait=000010', 10],
  ])('reads %s', (header, seconds) => {
    expect(preferredWaitSeconds(header)).toBe(seconds);
  });

  it('grants at most its longest wait', () => {
    expect(preferredWaitSeconds('wait=999999999')).toBe(LONGEST_WAIT_SECONDS);
  });

  it.each([
    undefined,
    '',
    'respond-async',
    'wait',
    'wait=',
    'wait=soon',
    'wait=-1',
    'wait=1.5',
    'awaits=5',
    'wait=9999999999',
  ])('reads nothing from %s', (header) => {
    expect(preferredWaitSeconds(header)).toBeUndefined();
  });
});
