import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/index.ts';
import { TestClock } from '../../testkit/test-clock.ts';

describe('systemClock.sleep()', () => {
  it('does not end at once for a wait longer than one timer can hold', async () => {
    const stop = new AbortController();
    const month = systemClock.sleep(40 * 86_400_000, stop.signal);
    const first = await Promise.race([
      month.then(
        () => 'slept',
        () => 'stopped',
      ),
      systemClock.sleep(20).then(() => 'still asleep'),
    ]);
    expect(first).toBe('still asleep');
    stop.abort(new Error('enough'));
    await expect(month).rejects.toThrow('enough');
  });
});

describe('backgroundClock.sleep()', () => {
  it('keeps no process alive, unlike that of the system clock', () => {
    const platform = resolve(import.meta.dirname, '../../src/platform/index.ts');
    const program = `
      const { backgroundClock, systemClock } = await import(${JSON.stringify(platform)});
      const says = (what) => () => process.stdout.write(what);
      backgroundClock.sleep(3_600_000).then(says('background '));
      systemClock.sleep(1).then(says('system '));
      process.on('exit', says('end'));`;
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })).toBe(
      'system end',
    );
  });
});

describe('TestClock', () => {
  it('wakes sleepers in order, and none before its instant', async () => {
    const clock = new TestClock(new Date('2026-01-01T00:00:00Z'));
    const woken: string[] = [];
    void clock.sleep(2000).then(() => woken.push('two'));
    void clock.sleep(1000).then(() => woken.push('one'));
    expect(await clock.untilSleeping(2)).toEqual([1000, 2000]);
    await clock.advance(1500);
    expect(woken).toEqual(['one']);
    await clock.advance(500);
    expect(woken).toEqual(['one', 'two']);
    expect(clock.now().toISOString()).toBe('2026-01-01T00:00:02.000Z');
  });
});
