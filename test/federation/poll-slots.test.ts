import { describe, expect, it } from 'vitest';
import { PollSlots } from '../../src/federation/poll-slots.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const { signal } = new AbortController();

describe('PollSlots', () => {
  it('lets so many in at once, and the rest in the order they came', async () => {
    const slots = new PollSlots(2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const all = [0, 1, 2, 3].map((name) =>
      slots.use(signal, () => {
        begun.push(name);
        return new Promise<void>((resolve) => ends.push(resolve));
      }),
    );
    await turn();
    expect(begun).toEqual([0, 1]);
    ends[1]?.();
    await turn();
    expect(begun).toEqual([0, 1, 2]);
    ends[0]?.();
    await turn();
    expect(begun).toEqual([0, 1, 2, 3]);
    for (const end of ends) end();
    await Promise.all(all);
  });

  it('gives the slot back after a failure', async () => {
    const slots = new PollSlots(1);
    await expect(slots.use(signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(slots.use(signal, () => Promise.resolve('yes'))).resolves.toBe('yes');
  });

  it('forgets whoever stops waiting', async () => {
    const slots = new PollSlots(1);
    let end = () => {};
    const first = slots.use(signal, () => new Promise<void>((resolve) => (end = resolve)));
    const gone = new AbortController();
    const second = slots.use(gone.signal, () => Promise.resolve('never'));
    const third = slots.use(signal, () => Promise.resolve('third'));
    gone.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    end();
    await first;
    await expect(third).resolves.toBe('third');
  });

  it('refuses a count that is no positive whole number', () => {
    expect(() => new PollSlots(0)).toThrow(RangeError);
    expect(() => new PollSlots(1.5)).toThrow(RangeError);
  });
});
