import { describe, expect, it } from 'vitest';
import { DemoError } from '../../src/demonstration/demo/child-process.ts';
import { until, type Waits } from '../../src/demonstration/demo/until.ts';
import { TestClock } from '../../testkit/test-clock.ts';

function waits(load: number): {
  readonly clock: TestClock;
  readonly waits: Waits;
  readonly reports: string[];
} {
  const clock = new TestClock(new Date('2026-11-22T08:00:00Z'));
  const reports: string[] = [];
  return {
    clock,
    reports,
    waits: { clock, load: () => ({ load, cores: 2 }), report: (text) => reports.push(text) },
  };
}

describe('until() of the demonstration', () => {
  it('returns what it found and the time that took, and reports nothing when it is quick', async () => {
    const { clock, reports, waits: given } = waits(0);
    let found: string | undefined;
    const waiting = until(given, 'the agent is ready', async () => found);
    await clock.untilSleeping();
    found = 'yes';
    await clock.advance(25);
    expect(await waiting).toEqual({ found: 'yes', ms: 25 });
    expect(reports).toEqual([]);
  });

  it('reports every five seconds what it waits for, and gives up after a minute with the last reason', async () => {
    const { clock, reports, waits: given } = waits(1);
    const waiting = until(given, 'the agent is ready', () => Promise.reject(new Error('refused'))).catch(
      (error: unknown) => error,
    );
    for (let second = 0; second < 60; second += 1) {
      await clock.untilSleeping();
      await clock.advance(1000);
    }
    await clock.untilSleeping();
    await clock.advance(25);
    const error = await waiting;
    expect(error).toBeInstanceOf(DemoError);
    expect(error).toMatchObject({
      code: 'demo-timeout',
      message: expect.stringMatching(/^waited 60 s without success until the agent is ready$/),
      cause: new Error('refused'),
    });
    expect(reports[0]).toBe('after 5 s still waiting until the agent is ready');
    expect(reports).toHaveLength(12);
  });

  it('reports that the machine is overloaded, and then waits longer', async () => {
    const { clock, reports, waits: given } = waits(20);
    let found: boolean | undefined;
    const waiting = until(given, 'the page answers', async () => found);
    for (let second = 0; second < 120; second += 1) {
      await clock.untilSleeping();
      await clock.advance(1000);
    }
    expect(reports[0]).toBe(
      'after 5 s still waiting until the page answers; this machine is overloaded: 20 processes want 2 cores',
    );
    found = true;
    await clock.untilSleeping();
    await clock.advance(25);
    expect(await waiting).toMatchObject({ found: true });
  });

  it('ends at once when a process has ended', async () => {
    const { waits: given } = waits(0);
    const ended = new DemoError('demo-process-ended', 'the process istio/agent ended');
    await expect(until(given, 'the agent is ready', () => Promise.reject(ended))).rejects.toBe(ended);
  });
});
