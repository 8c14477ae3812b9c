import { chmodSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileSvidSource, type FileSvidSource } from '../../src/mtls/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import type { TestLeaf } from './support.ts';

const LOOK_MS = 2000;

let folder: ReturnType<typeof tempDir>;
let clock: TestClock;
let log: ReturnType<typeof createRecordingLog>;
let ca: TestCa;
let first: TestLeaf;
let second: TestLeaf;
let source: FileSvidSource | undefined;

beforeEach(async () => {
  folder = tempDir();
  clock = new TestClock(TEST_INSTANT);
  log = createRecordingLog();
  ca = await (await createTestCa({ trustDomain: 'a.example' })).issueIntermediate();
  [first, second] = [await ca.issueLeaf({ path: '/first' }), await ca.issueLeaf({ path: '/second' })];
  writeCertificate(first);
  writeKey(first);
});
afterEach(async () => {
  await source?.stop();
  source = undefined;
  folder[Symbol.dispose]();
});

const writeCertificate = ({ certPem }: TestLeaf) => writeFileSync(folder.file('svid.pem'), certPem);
const writeKey = ({ keyPem }: TestLeaf) => writeFileSync(folder.file('svid.key'), keyPem, { mode: 0o600 });

async function open(): Promise<FileSvidSource> {
  source = createFileSvidSource({
    certificateFile: folder.file('svid.pem'),
    keyFile: folder.file('svid.key'),
    clock,
    log,
  });
  await source.start();
  return source;
}

/** Runs the next check of the files, and returns the result. */
async function look(until: () => boolean): Promise<void> {
  await clock.untilSleeping();
  await clock.advance(LOOK_MS);
  for (let turn = 0; turn < 1000 && !until(); turn += 1) await new Promise((wait) => setTimeout(wait, 1));
  await clock.untilSleeping();
}

const warnings = () => log.records.filter(({ level }) => level === 'warn');

describe('createFileSvidSource()', () => {
  it.each([
    [
      'has expired',
      { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2002-01-01T00:00:00Z') },
    ],
    [
      'is not valid yet',
      { notBefore: new Date('2038-01-01T00:00:00Z'), notAfter: new Date('2039-01-01T00:00:00Z') },
    ],
  ])('keeps a valid SVID in the place of one that %s, and says why', async (_what, dates) => {
    const opened = await open();
    const bad = await ca.issueLeaf({ path: '/bad', ...dates });
    writeCertificate(bad);
    writeKey(bad);
    await look(() => opened.problem() !== undefined);
    expect(opened.current()?.id).toBe(first.id);
    expect(opened.problem()?.message).toMatch(/ended at 2002|begins at 2038/);
    writeCertificate(second);
    writeKey(second);
    await look(() => opened.current()?.id === second.id);
    expect([opened.current()?.id, opened.problem()]).toEqual([second.id, undefined]);
  });

  it('provides the SVID of the files with its chain, and the next one when both have changed', async () => {
    const files = await open();
    const before = files.current();
    expect(before?.id).toBe(first.id);
    expect(before?.certificateChain).toHaveLength(2);
    let changes = 0;
    const forget = files.onChange(() => {
      changes += 1;
    });
    writeCertificate(second);
    writeKey(second);
    await look(() => changes === 1);
    expect(files.current()?.id).toBe(second.id);
    expect(before?.id).toBe(first.id);
    forget();
    writeCertificate(first);
    writeKey(first);
    await look(() => files.current()?.id === first.id);
    expect(changes).toBe(1);
    expect(warnings()).toEqual([]);
  });

  it('changes nothing and notifies no listener while the files are the same', async () => {
    const files = await open();
    const before = files.current();
    files.onChange(() => expect.unreachable());
    await clock.untilSleeping();
    await clock.advance(10 * LOOK_MS);
    expect(files.current()).toBe(before);
    expect(log.records).toEqual([]);
  });

  it('keeps the last SVID while only one file of the pair is new, and uses the pair when it is complete', async () => {
    const files = await open();
    writeCertificate(second);
    await look(() => warnings().length === 1);
    expect(files.current()?.id).toBe(first.id);
    expect(warnings()[0]?.fields).toMatchObject({ error: { code: 'svid-invalid' } });
    writeKey(second);
    await look(() => files.current()?.id === second.id);
    expect(files.current()?.id).toBe(second.id);
  });

  it.each([
    [
      'cut short',
      () => writeFileSync(folder.file('svid.pem'), second.certPem.slice(0, second.certPem.length / 3)),
    ],
    ['empty', () => writeFileSync(folder.file('svid.pem'), '')],
    ['gone', () => rmSync(folder.file('svid.pem'))],
    ['huge', () => writeFileSync(folder.file('svid.pem'), 'x'.repeat(300_000))],
  ])('keeps the last SVID when the certificate file is %s, and goes on', async (_what, damage: () => void) => {
    const files = await open();
    damage();
    await look(() => warnings().length === 1);
    expect(files.current()?.id).toBe(first.id);
    writeCertificate(second);
    writeKey(second);
    await look(() => files.current()?.id === second.id);
    expect(files.current()?.id).toBe(second.id);
  });

  it('sees a pair that is replaced by one symbolic link, as in Kubernetes', async () => {
    for (const [name, leaf] of [
      ['one', first],
      ['two', second],
    ] as const) {
      writeFileSync(folder.file(`${name}.pem`), leaf.certPem);
      writeFileSync(folder.file(`${name}.key`), leaf.keyPem, { mode: 0o600 });
    }
    const point = (to: string) => {
      for (const kind of ['pem', 'key']) {
        symlinkSync(`${to}.${kind}`, folder.file(`next.${kind}`));
        renameSync(folder.file(`next.${kind}`), folder.file(`svid.${kind}`));
      }
    };
    unlinkSync(folder.file('svid.pem'));
    unlinkSync(folder.file('svid.key'));
    point('one');
    const files = await open();
    point('two');
    await look(() => files.current()?.id === second.id);
    expect(files.current()?.id).toBe(second.id);
  });

  it.each([
    ['a key of another certificate', () => writeKey(second)],
    ['no key file', () => rmSync(folder.file('svid.key'))],
    ['a key file that is no key', () => writeFileSync(folder.file('svid.key'), 'top secret, but no key')],
    [
      'a certificate without a SPIFFE ID',
      async () => {
        const { certPem, keyPem } = await ca.issueLeaf({ uriSans: [], dnsSans: ['a.example'] });
        writeFileSync(folder.file('svid.pem'), certPem);
        writeFileSync(folder.file('svid.key'), keyPem);
      },
    ],
  ])('cannot be opened with %s, and the key is in no message', async (_what, damage: () => unknown) => {
    await damage();
    const refused = await open().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'svid-invalid' });
    expect(String(refused)).not.toMatch(/top secret|PRIVATE KEY/);
    // No watcher is left.
    expect(clock.waits()).toEqual([]);
  });

  it.each([
    [0o600, 0],
    [0o640, 0],
    [0o604, 1],
    [0o666, 1],
  ])('says when the key file can be read by every user: mode %o', async (mode, count) => {
    chmodSync(folder.file('svid.key'), mode);
    expect((await open()).current()?.id).toBe(first.id);
    expect(warnings()).toHaveLength(count);
    expect(warnings().every(({ fields }) => fields['mode'] === mode.toString(8))).toBe(true);
  });

  it('stops watching with stop()', async () => {
    const files = await open();
    await clock.untilSleeping();
    await files.stop();
    expect(clock.waits()).toEqual([]);
    writeCertificate(second);
    writeKey(second);
    await clock.advance(10 * LOOK_MS);
    expect(files.current()?.id).toBe(first.id);
  });
});
