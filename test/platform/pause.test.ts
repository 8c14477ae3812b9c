import { describe, expect, it } from 'vitest';
import { pause, within } from '../../src/platform/index.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const START = new Date('2026-01-01T00:00:00Z');

describe('pause()', () => {
  it('is true after the whole time', async () => {
    const clock = new TestClock(START);
    const paused = pause(clock, 1000, new AbortController().signal);
    await clock.advance(1000);
    expect(await paused).toBe(true);
  });

  it('is false as soon as the signal aborts, and nothing waits on', async () => {
    const clock = new TestClock(START);
    const stop = new AbortController();
    const paused = pause(clock, 1000, stop.signal);
    await clock.untilSleeping();
    stop.abort();
    expect(await paused).toBe(false);
    expect(clock.waits()).toEqual([]);
  });

  it('is false where the signal has aborted before', async () => {
    expect(await pause(new TestClock(START), 1000, AbortSignal.abort())).toBe(false);
  });

  it('passes on every other failure of the clock', async () => {
    const broken = { sleep: () => Promise.reject(new Error('the clock broke')) };
    await expect(pause(broken, 1000, new AbortController().signal)).rejects.toThrow('the clock broke');
  });
});

describe('within()', () => {
  it('gives the result of work that ends in time, and waits no longer', async () => {
    const clock = new TestClock(START);
    expect(await within(clock, 1000, async () => 'done')).toBe('done');
    expect(clock.waits()).toEqual([]);
  });

  it('is undefined when the time is over, and the work learns of it', async () => {
    const clock = new TestClock(START);
    let seen: AbortSignal | undefined;
    const result = within(clock, 1000, (over) => {
      seen = over;
      return new Promise(() => {});
    });
    await clock.advance(999);
    expect(seen?.aborted).toBe(false);
    await clock.advance(1);
    expect(await result).toBeUndefined();
    expect(seen?.aborted).toBe(true);
  });

  it('is undefined when the outer signal aborts', async () => {
    const clock = new TestClock(START);
    const stop = new AbortController();
    const result = within(clock, 1000, () => new Promise(() => {}), stop.signal);
    stop.abort();
    expect(await result).toBeUndefined();
    expect(clock.waits()).toEqual([]);
  });

  it('rejects with what the work rejects with', async () => {
    const clock = new TestClock(START);
    const failing = within(clock, 1000, async () => Promise.reject(new Error('the work failed')));
    await expect(failing).rejects.toThrow('the work failed');
    expect(clock.waits()).toEqual([]);
  });
});
