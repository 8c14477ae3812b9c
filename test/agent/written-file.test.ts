import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WrittenFile } from '../../src/agent/written-file.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';

describe('WrittenFile', () => {
  it('follows its content, writes equal content once, and warns while it cannot', async () => {
    using folder = tempDir();
    const path = folder.file('shared/access.json');
    const state: { text: string | undefined } = { text: 'one' };
    const log = createRecordingLog();
    const file = new WrittenFile({
      path,
      what: 'the file with the access rules',
      code: 'policies-not-written',
      content: () => state.text,
      clock: new TestClock(new Date()),
      log,
    });
    await file.update();
    await file.update();
    expect(file.warnings()).toMatchObject([{ code: 'policies-not-written', trust_domain: null }]);
    expect(log.records.filter(({ level }) => level === 'error')).toHaveLength(1);

    mkdirSync(folder.file('shared'));
    await file.update();
    expect(readFileSync(path, 'utf8')).toBe('one');
    expect(file.warnings()).toEqual([]);
    const { ino } = statSync(path);
    await file.update();
    expect(statSync(path).ino).toBe(ino);

    state.text = 'two';
    await file.update();
    expect(readFileSync(path, 'utf8')).toBe('two');

    // Not known, as after a restart until the mesh was read: what stands there stays.
    state.text = undefined;
    await file.update();
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(file.warnings()).toEqual([]);
    rmSync(folder.file('shared'), { recursive: true });
  });
});
