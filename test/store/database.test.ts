import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteStoreForReading, type Store } from '../../src/store/index.ts';
import { openDatabase } from '../../src/store/sql/database.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { NOBODY, unprivileged } from '../../testkit/unprivileged.ts';
import { openRaw } from './open-store.ts';
import { added, bundle, istio, relationship, start, version } from './sample-bundles.ts';

const federate = (store: Store) =>
  store.addRelationship(relationship(), version(bundle([1], 1n), start, 'bootstrap'), added());

describe('openSqliteStore()', () => {
  let folder: ReturnType<typeof tempDir>;
  let path: string;
  beforeEach(() => {
    folder = tempDir();
    path = folder.file('federate.db');
  });
  afterEach(() => {
    chmodSync(folder.path, 0o700);
    folder[Symbol.dispose]();
  });

  it('makes a missing store only when asked', async () => {
    await expect(openTestStore({ path, create: false })).rejects.toMatchObject({ code: 'store-missing' });
    expect(existsSync(path)).toBe(false);
    await (await openTestStore({ path })).close();
    await (await openTestStore({ path, create: false })).close();
  });

  it('refuses a missing folder, and does not create it (store-missing)', async () => {
    await expect(openTestStore({ path: folder.file('no/such/federate.db') })).rejects.toMatchObject({
      code: 'store-missing',
    });
    expect(existsSync(folder.file('no'))).toBe(false);
  });

  it('uses the empty file of a first start that was killed', async () => {
    writeFileSync(path, '');
    await expect(openTestStore({ path, create: false })).rejects.toMatchObject({ code: 'store-missing' });
    await (await openTestStore({ path })).close();
  });

  it('refuses a file that is not an SQLite file, and does not change it (store-not-a-store)', async () => {
    const text = 'recipes of my grandmother\n'.repeat(100);
    writeFileSync(path, text);
    await expect(openTestStore({ path })).rejects.toMatchObject({ code: 'store-not-a-store' });
    expect(statSync(path).size).toBe(text.length);
  });

  it('refuses the SQLite file of another program, and does not change it (store-not-a-store)', async () => {
    const other = new Sqlite(path);
    other.exec('CREATE TABLE recipe (name TEXT)');
    other.close();
    chmodSync(path, 0o644);
    const before = statSync(path);
    await expect(openTestStore({ path })).rejects.toMatchObject({ code: 'store-not-a-store' });
    expect(statSync(path)).toMatchObject({ size: before.size, mode: before.mode, mtimeMs: before.mtimeMs });
  });

  it('refuses the store of a newer version, and does not change it (store-newer)', async () => {
    const store = await openTestStore({ path });
    await federate(store);
    await store.close();
    const raw = openRaw(path);
    raw.pragma('user_version = 99');
    raw.close();
    await expect(openTestStore({ path })).rejects.toMatchObject({ code: 'store-newer' });
    await expect(openSqliteStoreForReading({ path })).rejects.toMatchObject({ code: 'store-newer' });
    const again = openRaw(path);
    expect(again.pragma('user_version', { simple: true })).toBe(99);
    expect(again.prepare('SELECT count(*) FROM bundle_version').pluck().get()).toBe(1);
    again.close();
  });

  it('reports store-corrupt for a truncated file, and never returns data that was not written', async () => {
    const store = await openTestStore({ path });
    await federate(store);
    await store.close();
    truncateSync(path, statSync(path).size - 8192);
    const damaged = openTestStore({ path, create: false }).then(async (opened) => {
      try {
        await opened.history(istio);
        await opened.events();
        await opened.currentAll();
      } finally {
        await opened.close();
      }
    });
    await expect(damaged).rejects.toMatchObject({ code: 'store-corrupt' });
  });

  it('refuses a file that it cannot write, at once and by name (store-read-only)', async () => {
    const store = await openTestStore({ path });
    await federate(store);
    await store.close();
    if (process.geteuid?.() === 0)
      for (const end of ['', '.lock', '.state']) chownSync(`${path}${end}`, NOBODY, NOBODY);
    chmodSync(folder.path, 0o777);
    await (await unprivileged(() => openTestStore({ path }))).close();
    chmodSync(path, 0o400);
    const refusal = await unprivileged(() => openTestStore({ path })).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'store-read-only' });
    expect(String(refusal)).toContain(path);
    chmodSync(path, 0o600);
    chmodSync(`${path}.lock`, 0o400);
    await expect(unprivileged(() => openTestStore({ path }))).rejects.toMatchObject({
      code: 'store-read-only',
    });
  });

  it('refuses a folder that it cannot write (store-read-only)', async () => {
    chmodSync(folder.path, 0o555);
    await expect(unprivileged(() => openTestStore({ path }))).rejects.toMatchObject({
      code: 'store-read-only',
    });
  });

  it('reports store-not-a-store for a path that is a folder', async () => {
    mkdirSync(path);
    await expect(openTestStore({ path })).rejects.toMatchObject({ code: 'store-not-a-store' });
  });

  it('removes the access of group and others from a file, and logs that', async () => {
    await (await openTestStore({ path })).close();
    chmodSync(path, 0o664);
    const log = createRecordingLog();
    const store = await openTestStore({ path, log });
    const modes = ['', '-wal', '-shm'].map((file) => (statSync(`${path}${file}`).mode & 0o777).toString(8));
    expect(modes).toEqual(['600', '600', '600']);
    expect(log.records).toMatchObject([{ level: 'warn', fields: { path } }]);
    await store.close();
  });

  it('waits a moment for a program that keeps a transaction open, then reports store-busy', async () => {
    const store = await openTestStore({ path });
    await federate(store);
    const raw = openRaw(path);
    raw.exec('BEGIN IMMEDIATE');
    await expect(store.setMeta('a', 'b')).rejects.toMatchObject({ code: 'store-busy' });
    expect(await store.getMeta('a')).toBeUndefined();
    raw.exec('ROLLBACK');
    await store.setMeta('a', 'b');
    raw.close();
    await store.close();
  });

  it('runs in WAL with every commit synced, foreign keys on and an untrusted schema', () => {
    const clock = new TestClock(start);
    const { database, close } = openDatabase({ path, create: true, clock, log: createRecordingLog() });
    const pragma = (name: string) => database.pragma(name, { simple: true });
    expect([
      pragma('journal_mode'),
      pragma('synchronous'),
      pragma('foreign_keys'),
      pragma('trusted_schema'),
    ]).toEqual(['wal', 2, 1, 0]);
    close();
  });

  it('follows a link to the one file, so that two names are not two stores', async () => {
    const store = await openTestStore({ path });
    symlinkSync(path, folder.file('other.db'));
    await expect(openTestStore({ path: folder.file('other.db') })).rejects.toMatchObject({
      code: 'store-locked',
    });
    await store.close();
  });
});

describe('openSqliteStoreForReading()', () => {
  it('reads while the agent is stopped, and writes nothing', async () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    await expect(openSqliteStoreForReading({ path })).rejects.toMatchObject({ code: 'store-missing' });
    const store = await openTestStore({ path });
    await federate(store);
    await store.close();
    await using reader = await openSqliteStoreForReading({ path });
    expect((await reader.current(istio))?.number).toBe(1);
    expect(await reader.history(istio)).toHaveLength(1);
    // There is no lock, so an agent may start meanwhile.
    await using agent = await openTestStore({ path });
    await agent.setMeta('a', 'b');
    expect(await reader.getMeta('a')).toBe('b');
  });

  it('reports store-older for a store that no agent has converted yet', async () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    await (await openTestStore({ path })).close();
    const raw = openRaw(path);
    raw.pragma('user_version = 0');
    raw.close();
    await expect(openSqliteStoreForReading({ path })).rejects.toMatchObject({ code: 'store-older' });
  });
});
