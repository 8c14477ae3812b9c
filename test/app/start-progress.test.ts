import { describe, expect, it } from 'vitest';
import { reportSlowStart } from '../../src/app/start-progress.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TestClock } from '../../testkit/test-clock.ts';

describe('reportSlowStart()', () => {
  it('reports every five seconds which part a start waits for, and whether the machine is overloaded', async () => {
    const clock = new TestClock(new Date('2026-11-22T08:00:00Z'));
    const log = createRecordingLog();
    const started = new AbortController();
    let load = 1;
    let busyWith: string | undefined;
    const reporting = reportSlowStart({
      busyWith: () => busyWith,
      clock,
      load: () => ({ load, cores: 2 }),
      log,
      signal: started.signal,
    });
    await clock.untilSleeping();
    await clock.advance(5000);
    busyWith = 'store';
    load = 20;
    await clock.untilSleeping();
    await clock.advance(5000);
    await clock.untilSleeping();
    started.abort();
    await reporting;
    expect(log.records).toMatchObject([
      {
        level: 'info',
        message: 'process still starting',
        fields: { seconds: 5, busy_with: 'building its parts' },
      },
      {
        level: 'warn',
        message: 'process still starting',
        fields: {
          seconds: 10,
          busy_with: 'store',
          why: 'this machine is overloaded: 20 processes want 2 cores',
        },
      },
    ]);
  });
});
