import { describe, expect, it } from 'vitest';
import { FetchTimer } from '../../src/federation/fetch/fetch-timer.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { INSTANT } from './made-up-bundle.ts';

const late = (name: string) => () => new Error(`late: ${name}`);

/** Work that ends only when it is aborted. */
const until = (signal: AbortSignal) => () =>
  new Promise<never>((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(new Error('cut off'))),
  );

/** What a promise was rejected with, as text. */
const refusal = (running: Promise<unknown>) =>
  running.then(
    () => 'nothing',
    (error: unknown) => String(error),
  );

function create(signal = new AbortController().signal) {
  const clock = new TestClock(INSTANT);
  return { clock, timer: new FetchTimer(clock, signal) };
}

describe('FetchTimer.within()', () => {
  it('gives the result of work that ends in time, and leaves nothing behind', async () => {
    const { clock, timer } = create();
    await expect(timer.within(1000, late('total'), () => Promise.resolve(7))).resolves.toBe(7);
    timer.close();
    expect(clock.waits()).toEqual([]);
  });

  it('ends work at its limit, with the error of that limit', async () => {
    const { clock, timer } = create();
    const refused = refusal(timer.within(1000, late('total'), until(timer.signal)));
    await clock.advance(999);
    expect(timer.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(await refused).toContain('late: total');
  });

  it('watches the nearest of several limits with one sleeper', async () => {
    const { clock, timer } = create();
    const running = timer.within(1000, late('outer'), () =>
      timer.within(300, late('inner'), until(timer.signal)),
    );
    const refused = refusal(running);
    expect(await clock.untilSleeping(1)).toEqual([300]);
    await clock.advance(300);
    expect(await refused).toContain('late: inner');
  });

  it('forgets a limit that was kept, and still keeps the others', async () => {
    const { clock, timer } = create();
    const running = timer.within(1000, late('outer'), async () => {
      await timer.within(300, late('inner'), () => Promise.resolve());
      await until(timer.signal)();
    });
    const refused = refusal(running);
    await clock.untilSleeping(1);
    await clock.advance(999);
    expect(timer.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(await refused).toContain('late: outer');
  });

  it('ends with the reason of the one who calls it off, also before it began', async () => {
    const controller = new AbortController();
    const { timer } = create(controller.signal);
    const refused = refusal(timer.within(1000, late('total'), until(timer.signal)));
    controller.abort(new Error('called off'));
    expect(await refused).toContain('called off');
    const { timer: another } = create(controller.signal);
    await expect(another.within(1000, late('total'), () => Promise.resolve(7))).rejects.toThrow('called off');
  });
});
