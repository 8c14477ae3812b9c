import { describe, expect, it } from 'vitest';
import { ReplayMemory } from '../../../src/demonstration/sidecar/signing/replay-memory.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';

function memory(most: number) {
  const clock = new TestClock(TEST_INSTANT);
  const replays = new ReplayMemory(clock, most);
  const remember = (key: string, nonce: string, forMs = 10_000) =>
    replays.remember(key, nonce, clock.now().getTime() + forMs);
  return { clock, remember };
}

describe('ReplayMemory', () => {
  it('knows a nonce again, of the same key only', () => {
    const { remember } = memory(10);
    expect([remember('a', '1'), remember('a', '1'), remember('b', '1'), remember('a', '2')]).toEqual([
      'new',
      'seen',
      'new',
      'new',
    ]);
  });

  it('is bounded for each key, and forgets only what has expired', async () => {
    const { clock, remember } = memory(2);
    expect([remember('a', '1', 1000), remember('a', '2', 60_000), remember('a', '3')]).toEqual([
      'new',
      'new',
      'full',
    ]);
    expect(remember('b', '1')).toBe('new');
    await clock.advance(1001);
    expect([remember('a', '3'), remember('a', '2'), remember('a', '4')]).toEqual(['new', 'seen', 'full']);
  });

  it('does not search a full memory for each request of a flood', async () => {
    const { clock, remember } = memory(2);
    remember('a', '1', 100);
    remember('a', '2', 100);
    expect(remember('a', '3')).toBe('full');
    await clock.advance(500);
    expect(remember('a', '3')).toBe('full');
    await clock.advance(500);
    expect(remember('a', '3')).toBe('new');
  });
});
