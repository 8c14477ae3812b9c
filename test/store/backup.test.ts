import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BackupRequest, backUpStore } from '../../src/store/backup/back-up.ts';
import { type RestoreRequest, restoreStore } from '../../src/store/backup/restore.ts';
import { verifyStoreFile } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { unprivileged } from '../../testkit/unprivileged.ts';
import { kill, printedLines, startChild } from './child-store.ts';
import { createHistoryCas, doctorStore, writeStoreFile } from './doctored-store.ts';
import { openRaw } from './open-store.ts';
import { added, bundle, istio, relationship, start, version } from './sample-bundles.ts';

const ENTRY = resolve(import.meta.dirname, '../../bin/federate.js');

let folder: ReturnType<typeof tempDir>;
/** A store of a.example that no process has open, and a backup of it. */
let sound: string;
beforeAll(async () => {
  folder = tempDir();
  sound = folder.file('sound.db');
  await writeStoreFile(sound, await createHistoryCas());
  await using store = await openTestStore({ path: sound });
  await store.setMeta('own-trust-domain', 'a.example');
});
afterAll(() => folder[Symbol.dispose]());

const backUp = (store: string, file: string, more: Partial<BackupRequest> = {}) =>
  backUpStore({
    store,
    file,
    replace: false,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    ...more,
  });
const restore = (file: string, store: string, more: Partial<RestoreRequest> = {}) =>
  restoreStore({
    file,
    store,
    trustDomain: undefined,
    sha256: undefined,
    evenIfUnsound: false,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    clock: new TestClock(TEST_INSTANT),
    ...more,
  });
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error as { readonly code?: string }).code,
  );
const digestOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** A folder with a copy of the sound store, as its agent left it. */
function home() {
  const here = tempDir();
  const store = here.file('federate.db');
  copyFileSync(sound, store);
  return { ...here, store };
}

describe('backUpStore()', () => {
  it('makes one private file that verifies, with the digest and the counts of what is in it', async () => {
    using here = home();
    const steps: string[] = [];
    const { facts, file } = await backUp(here.store, here.file('backup.db'), {
      onProgress: ({ step }) => steps.push(step),
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(facts).toMatchObject({
      sha256: digestOf(file),
      trustDomain: 'a.example',
      report: { found: 0, links: 27 },
    });
    expect(facts.bytes).toBe(statSync(file).size);
    expect((await verifyStoreFile(file)).found).toBe(0);
    expect(steps.at(-1)).toBe('verifying');
    expect(readdirSync(here.path).filter((name) => name.startsWith('backup.db'))).toEqual(['backup.db']);
  });

  it('takes what a running agent has written, although it is in the log alone', async () => {
    using here = tempDir();
    await using store = await openTestStore({ path: here.file('federate.db') });
    await store.addRelationship(relationship(), version(bundle([1], 1n), start, 'bootstrap'), added());
    const { file, facts } = await backUp(here.file('federate.db'), here.file('backup.db'));
    expect(facts.relationships).toBe(1);
    await using copy = await openTestStore({ path: file });
    expect((await copy.current(istio))?.number).toBe(1);
  });

  it('copies one moment of a store that another process goes on writing', async () => {
    using here = tempDir();
    const child = startChild(here.file('federate.db'), 'append');
    try {
      await printedLines(child, 20);
      const { facts } = await backUp(here.file('federate.db'), here.file('backup.db'));
      expect(facts.report.findings).toEqual([]);
      expect(facts.versions).toBeGreaterThanOrEqual(19);
    } finally {
      await kill(child.child);
    }
  });

  it.each([
    '',
    '-wal',
    '-shm',
    '.state',
    '.lock',
  ])('refuses the file federate.db%s of the store itself', async (end) => {
    using here = home();
    const before = digestOf(here.store);
    expect(await codeOf(backUp(here.store, `${here.store}${end}`, { replace: true }))).toBe(
      'backup-onto-store',
    );
    symlinkSync(here.path, here.file('elsewhere'));
    const other = `${here.file('elsewhere')}/federate.db${end}`;
    expect(await codeOf(backUp(here.store, other, { replace: true }))).toBe('backup-onto-store');
    expect(digestOf(here.store)).toBe(before);
  });

  it('refuses a file that is there, and replaces it in one step when asked to', async () => {
    using here = home();
    writeFileSync(here.file('backup.db'), 'mine');
    expect(await codeOf(backUp(here.store, here.file('backup.db')))).toBe('backup-exists');
    expect(readFileSync(here.file('backup.db'), 'utf8')).toBe('mine');
    await backUp(here.store, here.file('backup.db'), { replace: true });
    expect((await verifyStoreFile(here.file('backup.db'))).found).toBe(0);
  });

  it('says of a folder, a missing folder and standard output what they are', async () => {
    using here = home();
    for (const place of [here.path, here.file('none/backup.db'), '-'])
      expect(await codeOf(backUp(here.store, place))).toBe('backup-place-unusable');
    await expect(backUp(here.store, here.path)).rejects.toThrow('it is a folder');
    await expect(backUp(here.path, here.file('backup.db'))).rejects.toThrow(
      'is a folder; a store is a file in one',
    );
  });

  it('says that this user has no right to the folder, or to the store', async () => {
    using here = home();
    for (const name of ['closed', 'open']) mkdirSync(here.file(name));
    // SQLite makes an index next to a store that it reads.
    chmodSync(here.path, 0o777);
    chmodSync(here.file('closed'), 0o555);
    chmodSync(here.file('open'), 0o777);
    chmodSync(here.store, 0o644);
    const place = () => unprivileged(() => codeOf(backUp(here.store, here.file('closed/backup.db'))));
    expect(await place()).toBe('backup-not-writable');
    chmodSync(here.store, 0o600);
    const store = () => unprivileged(() => codeOf(backUp(here.store, here.file('open/backup.db'))));
    expect(await store()).toMatch(/^store-/);
    chmodSync(here.path, 0o700);
    expect(await store()).toMatch(/^store-/);
    chmodSync(here.path, 0o755);
    const { file } = await backUp(here.store, here.file('backup.db'));
    expect(await unprivileged(() => codeOf(restore(file, here.file('open/federate.db'))))).toBe(
      'backup-not-readable',
    );
    expect(readdirSync(here.file('open')).filter((name) => !name.endsWith('.lock'))).toEqual([]);
  });

  it('leaves no half file and no older backup harmed when the room ends in the middle', () => {
    using here = home();
    writeFileSync(here.file('backup.db'), 'older');
    // A limit for the size of a file ends the copy as a full disk does.
    const words = ['store', 'backup', here.file('backup.db'), '--force', '--store', here.store];
    const limited = ['-c', 'ulimit -f 64; exec "$0" "$@"', process.execPath, ENTRY, ...words];
    const { status, stderr } = spawnSync('sh', limited, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/\[backup-(?:failed|no-room)\]/)]);
    expect(readFileSync(here.file('backup.db'), 'utf8')).toBe('older');
    expect(readdirSync(here.path).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('leaves nothing when it is called off in the middle', async () => {
    using here = home();
    const ended = new AbortController();
    const called = backUp(here.store, here.file('backup.db'), {
      signal: ended.signal,
      onProgress: () => ended.abort(new Error('enough')),
    });
    await expect(called).rejects.toThrow('enough');
    expect(readdirSync(here.path).filter((name) => name.includes('backup'))).toEqual([]);
  });

  it('keeps a history with defects, which is evidence, and names them', async () => {
    using here = home();
    doctorStore(here.store, "UPDATE event SET message = 'nothing happened' WHERE id = 3");
    const { facts, file } = await backUp(here.store, here.file('backup.db'));
    expect(facts.report.findings.map(({ code }) => code)).toContain('row-changed');
    expect(existsSync(file)).toBe(true);
  });
});

describe('restoreStore()', () => {
  it('restores a backup onto what is there, and keeps that under another name', async () => {
    using here = home();
    const { file } = await backUp(here.store, here.file('backup.db'));
    await using store = await openTestStore({ path: here.store });
    await store.addRelationship(relationship(), version(bundle([1], 1n), start, 'bootstrap'), added());
    await store.close();
    const restored = await restore(file, here.store);
    expect(restored.keptAs).toBe(`${here.store}.replaced-20300101T120000Z`);
    expect(digestOf(here.store)).toBe(restored.facts.sha256);
    expect(statSync(here.store).mode & 0o777).toBe(0o600);
    await using after = await openTestStore({ path: here.store });
    expect(await after.relationship(istio)).toBeUndefined();
    await using kept = await openTestStore({ path: restored.keptAs ?? '' });
    expect(await kept.relationship(istio)).toBeDefined();
  });

  it('restores where there is no store yet', async () => {
    using here = tempDir();
    const { file } = await backUp(sound, here.file('backup.db'));
    expect((await restore(file, here.file('federate.db'))).keptAs).toBeUndefined();
    await using store = await openTestStore({ path: here.file('federate.db') });
    expect(await store.getMeta('own-trust-domain')).toBe('a.example');
  });

  it('keeps what a killed agent had in its log, and lets none of it into the restored store', async () => {
    using here = tempDir();
    const path = here.file('federate.db');
    const child = startChild(path, 'append');
    await printedLines(child, 3);
    const { file } = await backUp(path, here.file('backup.db'));
    await printedLines(child, 40);
    await kill(child.child);
    const { keptAs = '', facts } = await restore(file, path);
    const numberIn = async (store: string) => {
      await using opened = await openTestStore({ path: store });
      return (await opened.current(istio))?.number ?? 0;
    };
    expect(await numberIn(path)).toBe(facts.versions);
    expect(await numberIn(keptAs)).toBeGreaterThanOrEqual(39);
  });

  it('restores onto a store that is damaged or has the log of another file', async () => {
    using here = home();
    const { file } = await backUp(here.store, here.file('backup.db'));
    writeFileSync(here.store, 'damaged beyond repair'.repeat(1000));
    writeFileSync(`${here.store}-wal`, Buffer.alloc(5000, 7));
    const { keptAs = '' } = await restore(file, here.store);
    expect(readFileSync(keptAs, 'utf8')).toContain('damaged beyond repair');
    expect(readFileSync(`${keptAs}-wal`)).toEqual(Buffer.alloc(5000, 7));
    await using store = await openTestStore({ path: here.store });
    expect(await store.getMeta('own-trust-domain')).toBe('a.example');
  });

  it('refuses while an agent runs on the store', async () => {
    using here = home();
    const { file } = await backUp(here.store, here.file('backup.db'));
    await using store = await openTestStore({ path: here.store });
    expect(await codeOf(restore(file, here.store))).toBe('store-locked');
    expect(await store.getMeta('own-trust-domain')).toBe('a.example');
  });

  const bad: [string, string, (file: string) => void][] = [
    ['a file of another kind', 'backup-not-a-backup', (file) => writeFileSync(file, 'hello')],
    ['an empty file', 'backup-not-a-backup', (file) => writeFileSync(file, '')],
    [
      'half a backup',
      'backup-damaged',
      (file) => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096),
    ],
    ['a backup of a newer version', 'store-newer', (file) => void openRaw(file).pragma('user_version = 99')],
    [
      'a database of another program',
      'backup-not-a-backup',
      (file) => void openRaw(file).pragma('application_id = 7'),
    ],
    [
      'a doctored history',
      'backup-unsound',
      (file) => doctorStore(file, "UPDATE event SET message = 'nothing happened' WHERE id = 3"),
    ],
    [
      'a backup of another trust domain',
      'backup-of-another-trust-domain',
      (file) => doctorStore(file, "UPDATE meta SET value = 'other.example' WHERE key = 'own-trust-domain'"),
    ],
  ];
  it.each(bad)('refuses %s, and changes nothing', async (_what, code, spoil) => {
    using here = home();
    const { file } = await backUp(here.store, here.file('backup.db'));
    spoil(file);
    const before = digestOf(here.store);
    expect(await codeOf(restore(file, here.store))).toBe(code);
    expect(digestOf(here.store)).toBe(before);
    expect(
      readdirSync(here.path).filter((name) => name.startsWith('.') || name.includes('replaced')),
    ).toEqual([]);
  });

  it('refuses a folder, what is not there, the store itself, and a wrong digest', async () => {
    using here = home();
    const { file, facts } = await backUp(here.store, here.file('backup.db'));
    expect(await codeOf(restore(here.path, here.store))).toBe('backup-not-a-backup');
    expect(await codeOf(restore(here.file('none'), here.store))).toBe('backup-missing');
    expect(await codeOf(restore(here.store, here.store))).toBe('backup-onto-store');
    expect(await codeOf(restore(file, here.store, { sha256: '0'.repeat(64) }))).toBe('backup-digest-differs');
    expect(await codeOf(restore(file, here.store, { trustDomain: 'b.example' }))).toBe(
      'backup-of-another-trust-domain',
    );
    expect(await codeOf(restore(file, here.store, { sha256: facts.sha256 }))).toBe('done');
  });

  it('restores a doctored history only when asked to', async () => {
    using here = home();
    const { file } = await backUp(here.store, here.file('backup.db'));
    doctorStore(file, "UPDATE event SET message = 'nothing happened' WHERE id = 3");
    expect(await codeOf(restore(file, here.store, { evenIfUnsound: true }))).toBe('done');
  });

  it('leaves the old store where another thing is in the way of the new one', async () => {
    using here = home();
    const { file } = await backUp(here.store, here.file('backup.db'));
    mkdirSync(here.file('folder'));
    expect(await codeOf(restore(file, here.file('folder')))).toBe('store-not-a-store');
    expect(await codeOf(restore(file, here.file('none/federate.db')))).toBe('store-missing');
  });
});

describe('compact()', () => {
  it('gives back the room of removed rows, and changes nothing else', async () => {
    using here = home();
    const raw = openRaw(here.store);
    raw.exec(
      'CREATE TABLE filler (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO filler SELECT zeroblob(4000) FROM n; DROP TABLE filler',
    );
    raw.close();
    await using store = await openTestStore({ path: here.store });
    const head = await store.chainHead();
    const { bytesBefore, bytesAfter } = await store.compact();
    expect(bytesBefore - bytesAfter).toBeGreaterThan(1_000_000);
    expect(statSync(here.store).size).toBe(bytesAfter);
    expect(await store.chainHead()).toEqual(head);
    await store.addRelationship(relationship(), version(bundle([1], 1n), start, 'bootstrap'), added());
    await store.close();
    expect((await verifyStoreFile(here.store)).found).toBe(0);
  });
});
