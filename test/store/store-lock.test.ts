import { describe, expect, it } from 'vitest';
import { lockStore } from '../../src/store/sql/store-lock.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { start } from './sample-bundles.ts';

describe('lockStore()', () => {
  it('admits one agent at a time, names the holder, and admits the next after release', () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    const clock = new TestClock(start);
    const first = lockStore(path, clock);
    expect(() => lockStore(path, clock)).toThrow(
      expect.objectContaining({
        code: 'store-locked',
        message: expect.stringMatching(new RegExp(`pid ${process.pid}, since ${start.toISOString()}`)),
      }),
    );
    expect(() => lockStore(path, clock)).toThrow('another agent');
    lockStore(folder.file('other.db'), clock).release();
    first.release();
    lockStore(path, clock).release();
  });
});
