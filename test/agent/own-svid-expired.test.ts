import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createSvid } from '../../src/agent/open-svid.ts';
import { silentLog, systemRandom } from '../../src/platform/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

it('createSvid() reports that the SVID of a file has ended without being renewed', async () => {
  using folder = tempDir();
  const ca = await createTestCa({ trustDomain: 'a.example' });
  const leaf = await ca.issueLeaf({ path: '/federate', notAfter: new Date(TEST_INSTANT.getTime() + 60_000) });
  writeFileSync(folder.file('svid.pem'), leaf.certPem);
  writeFileSync(folder.file('svid.key'), leaf.keyPem, { mode: 0o600 });
  const clock = new TestClock(TEST_INSTANT);
  const own = createSvid(
    { certificate_file: folder.file('svid.pem'), key_file: folder.file('svid.key') },
    {
      clock,
      random: systemRandom,
      log: silentLog,
      environment: {},
    },
  );
  await own.start();
  expect(own.describe()).toMatchObject({ source: 'files', id: leaf.id, code: null, message: null });
  await clock.advance(60_000);
  expect(own.describe()).toMatchObject({ id: leaf.id, code: 'svid-expired' });
  await own.stop();
});
