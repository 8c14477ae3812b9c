import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteStoreForReading } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { kill, printedLines, startChild } from './child-store.ts';
import { openRaw } from './open-store.ts';
import { added, bundle, istio, relationship, start, version } from './sample-bundles.ts';

let folder: ReturnType<typeof tempDir>;
let path: string;
const file = (end: string) => `${path}${end}`;
const read = (end: string) => readFileSync(file(end));

/** A store whose agent was killed: a backup of it without `late`, and `late` in the log alone. */
beforeEach(async () => {
  folder = tempDir();
  path = folder.file('federate.db');
  const { child, ...rest } = startChild(path, 'hold');
  await printedLines({ child, ...rest }, 1);
  const raw = openRaw(path);
  await raw.backup(folder.file('backup.db'));
  raw.prepare("INSERT INTO meta (key, value) VALUES ('late', 'yes')").run();
  raw.close();
  await kill(child);
  if (statSync(file('-wal')).size <= 32) throw new Error('the killed agent left no log');
});
afterEach(() => folder[Symbol.dispose]());

const late = async () => {
  await using store = await openTestStore({ path });
  expect(await store.relationship(istio)).toBeDefined();
  return await store.getMeta('late');
};

describe('a backup next to the log of a killed agent', () => {
  it('is refused for an agent and for readers, because the log continues another file, and nothing changes', async () => {
    copyFileSync(folder.file('backup.db'), path);
    const before = ['', '-wal', '.state'].map(read);
    for (let times = 0; times < 2; times += 1) {
      await expect(openTestStore({ path })).rejects.toMatchObject({ code: 'store-log-foreign' });
      await expect(openSqliteStoreForReading({ path })).rejects.toMatchObject({ code: 'store-log-foreign' });
    }
    expect(['', '-wal', '.state'].map(read)).toEqual(before);
  });

  it.each([
    ['moved over the store', () => renameSync(folder.file('backup.db'), path)],
    [
      'copied with its time of change kept',
      () => {
        const { atime, mtime } = statSync(folder.file('backup.db'));
        copyFileSync(folder.file('backup.db'), path);
        utimesSync(path, atime, mtime);
      },
    ],
    [
      'copied to the path of a deleted store',
      () => {
        rmSync(path);
        copyFileSync(folder.file('backup.db'), path);
      },
    ],
  ])('is refused where it was %s', async (_what, restore) => {
    restore();
    await expect(openTestStore({ path })).rejects.toMatchObject({ code: 'store-log-foreign' });
  });

  it('is refused where the log reappeared after the store was closed in order', async () => {
    const log = read('-wal');
    expect(await late()).toBe('yes');
    copyFileSync(folder.file('backup.db'), path);
    writeFileSync(file('-wal'), log);
    await expect(openTestStore({ path })).rejects.toMatchObject({ code: 'store-log-foreign' });
  });

  it('opens once the log was moved away, with the content of the backup', async () => {
    copyFileSync(folder.file('backup.db'), path);
    for (const end of ['-wal', '-shm', '.state']) rmSync(file(end), { force: true });
    expect(await late()).toBeUndefined();
  });

  it('does not disturb the store itself, which continues its log after each kill', async () => {
    expect(await late()).toBe('yes');
    expect(await late()).toBe('yes');
  });

  it('opens with its log when both were moved together without the note', async () => {
    rmSync(file('.state'));
    expect(await late()).toBe('yes');
  });

  it('opens with the log when the note cannot be read', async () => {
    rmSync(file('.state'));
    copyFileSync(folder.file('backup.db'), file('.state'));
    expect(await late()).toBe('yes');
  });
});

describe('the note about the store', () => {
  it('is private, and describes the store while it is open and afterwards', async () => {
    using other = tempDir();
    const elsewhere = other.file('federate.db');
    const store = await openTestStore({ path: elsewhere });
    expect(statSync(`${elsewhere}.state`).mode & 0o777).toBe(0o600);
    const note = () => JSON.parse(readFileSync(`${elsewhere}.state`, 'utf8')) as Record<string, string>;
    const marked = () => {
      const { size, mtimeNs } = statSync(elsewhere, { bigint: true });
      return { state: 'open', size: size.toString(), mtime_ns: mtimeNs.toString() };
    };
    expect(note()).toEqual(marked());
    await store.addRelationship(relationship(), version(bundle([1], 1n), start, 'bootstrap'), added());
    // Far more commits than go into one log.
    for (let count = 0; count < 600; count += 1) await store.setMeta('count', count.toString());
    expect(note()).toEqual(marked());
    expect(statSync(`${elsewhere}-wal`).size).toBeLessThan(4 * 1024 * 1024);
    await store.close();
    expect(existsSync(`${elsewhere}-wal`)).toBe(false);
    expect(note()).toEqual({ state: 'closed' });
  });
});
