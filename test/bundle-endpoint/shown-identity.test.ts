import { createServer } from 'node:https';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ShownIdentity } from '../../src/bundle-endpoint/shown-identity.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const LOOK_MS = 2000;
const DAY_MS = 86_400_000;
const later = (days: number) => new Date(TEST_INSTANT.getTime() + days * DAY_MS);

let folder: ReturnType<typeof tempDir>;
let ca: TestCa;
let clock: TestClock;
let shown: ShownIdentity;
const log = createRecordingLog();

beforeEach(async () => {
  folder = tempDir();
  clock = new TestClock(TEST_INSTANT);
  ca = await createTestCa({ trustDomain: 'web.example' });
  shown = new ShownIdentity({
    profile: { kind: 'https_web', certificateFile: folder.file('tls.crt'), keyFile: folder.file('tls.key') },
    url: new URL('https://localhost/'),
    server: createServer(),
    clock,
    log,
  });
});
afterEach(async () => {
  await shown.stop();
  folder[Symbol.dispose]();
});

/** Puts a certificate for `localhost` into the files. */
async function write(notAfter: Date): Promise<void> {
  const leaf = await ca.issueLeaf({ uriSans: [], dnsSans: ['localhost'], notAfter });
  writeFileSync(folder.file('tls.key'), leaf.keyPem, { mode: 0o600 });
  writeFileSync(folder.file('tls.crt'), leaf.certPem);
}

/** Advances time until the condition holds. */
async function until(condition: () => boolean): Promise<void> {
  for (let look = 0; look < 100 && !condition(); look += 1) {
    await clock.untilSleeping();
    await clock.advance(LOOK_MS);
  }
  expect(condition()).toBe(true);
}

describe('ShownIdentity of certificate files', () => {
  it('presents a new certificate soon, and states when the presented one ends', async () => {
    await write(later(1));
    await shown.start();
    expect([shown.endsAt, shown.trouble]).toEqual([later(1), undefined]);
    await write(later(30));
    await until(() => shown.endsAt?.getTime() === later(30).getTime());
    expect(shown.trouble).toBeUndefined();
  });

  it('never replaces a valid certificate with an expired one', async () => {
    await write(later(1));
    await shown.start();
    await write(new Date(TEST_INSTANT.getTime() - 1000));
    await until(() => shown.trouble !== undefined);
    expect(shown.trouble).toMatchObject({ code: 'certificate-unusable' });
    expect(shown.endsAt).toEqual(later(1));
    await write(later(30));
    await until(() => shown.trouble === undefined);
    expect(shown.endsAt).toEqual(later(30));
  });

  it('keeps the last one while the files cannot be used, and states the reason', async () => {
    await write(later(1));
    await shown.start();
    writeFileSync(folder.file('tls.crt'), 'half');
    await until(() => shown.trouble !== undefined);
    expect(shown.endsAt).toEqual(later(1));
  });
});
