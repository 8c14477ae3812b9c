import { describe, expect, it } from 'vitest';
import { PollSlots, pollSlotSettings } from '../../src/federation/poll/poll-slots.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const { signal } = new AbortController();

/** Slots, and polls that go on until they are ended by name. */
function world(brisk: number, slow: number) {
  const clock = new TestClock(new Date('2030-01-01T00:00:00Z'));
  const slots = new PollSlots({ brisk, slow, briskMs: 500, clock });
  const begun: string[] = [];
  const lanes = new Map<string, string>();
  const ends = new Map<string, () => void>();
  const poll = (name: string, lane: 'brisk' | 'slow' = 'brisk') =>
    slots.use(
      lane,
      signal,
      () => {
        begun.push(name);
        return new Promise<void>((resolve) => ends.set(name, resolve));
      },
      (was) => lanes.set(name, was),
    );
  const end = async (name: string) => {
    ends.get(name)?.();
    await turn();
  };
  return { clock, slots, begun, lanes, poll, end };
}

describe('PollSlots', () => {
  it('lets so many in at once, and the rest in the order they came', async () => {
    const { begun, poll, end } = world(2, 0);
    const all = ['a', 'b', 'c', 'd'].map((name) => poll(name));
    await turn();
    expect(begun).toEqual(['a', 'b']);
    await end('b');
    expect(begun).toEqual(['a', 'b', 'c']);
    await end('a');
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    await end('c');
    await end('d');
    await Promise.all(all);
  });

  it('gives the slot back after a failure', async () => {
    const { slots } = world(1, 0);
    await expect(slots.use('brisk', signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(slots.use('brisk', signal, () => Promise.resolve('yes'))).resolves.toBe('yes');
  });

  it('forgets a poll that stops waiting, and leaves no timer behind', async () => {
    const { clock, slots, poll, end, begun } = world(1, 1);
    void poll('first');
    const gone = new AbortController();
    const second = slots.use('brisk', gone.signal, () => Promise.resolve('never'));
    await turn();
    expect(clock.waits()).toEqual([500]);
    gone.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    expect(clock.waits()).toEqual([]);
    void poll('third');
    await end('first');
    expect(begun).toEqual(['first', 'third']);
    expect(clock.waits()).toEqual([]);
  });

  it('moves a poll on that keeps others waiting, once it is no longer brisk', async () => {
    const { clock, begun, lanes, poll, end } = world(1, 1);
    for (const name of ['hangs', 'honest', 'next']) void poll(name);
    await turn();
    await clock.advance(499);
    expect(begun).toEqual(['hangs']);
    await clock.advance(1);
    expect(begun).toEqual(['hangs', 'honest']);
    await end('honest');
    expect(begun).toEqual(['hangs', 'honest', 'next']);
    await end('next');
    await end('hangs');
    expect([...lanes]).toEqual([
      ['honest', 'brisk'],
      ['next', 'brisk'],
      ['hangs', 'slow'],
    ]);
  });

  it('has the slow ones wait for each other only', async () => {
    const { clock, begun, poll, end } = world(1, 2);
    for (const name of ['s1', 's2', 's3']) void poll(name, 'slow');
    void poll('honest');
    await turn();
    expect(begun).toEqual(['s1', 's2', 'honest']);
    await end('s1');
    expect(begun).toEqual(['s1', 's2', 'honest', 's3']);
    expect(clock.waits()).toEqual([]);
  });

  it('gives room in the slow lane to a poll that blocks others before one that waits there', async () => {
    const { clock, begun, poll, end } = world(1, 1);
    void poll('s1', 'slow');
    void poll('s2', 'slow');
    void poll('hangs');
    void poll('honest');
    await turn();
    await clock.advance(10_000);
    expect(begun).toEqual(['s1', 'hangs']);
    await end('s1');
    expect(begun).toEqual(['s1', 'hangs', 'honest']);
    await end('hangs');
    expect(begun).toEqual(['s1', 'hangs', 'honest', 's2']);
  });

  it('never lets in more than both lanes hold', async () => {
    const { clock, begun, poll } = world(2, 3);
    for (let count = 0; count < 20; count += 1) void poll(`hangs ${count}`);
    await turn();
    await clock.advance(60_000);
    expect(begun).toHaveLength(5);
  });
});

describe('pollSlotSettings()', () => {
  it('refuses a count that is not a positive whole number', () => {
    const clock = new TestClock(new Date());
    expect(pollSlotSettings(4, clock)).toMatchObject({ brisk: 4, slow: 32 });
    expect(() => pollSlotSettings(0, clock)).toThrow(RangeError);
    expect(() => pollSlotSettings(1.5, clock)).toThrow(RangeError);
  });
});
