import { status } from '@grpc/grpc-js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSvid } from '../../src/agent/open-svid.ts';
import { svidSource } from '../../src/config/svid-config.ts';
import { silentLog, systemRandom } from '../../src/platform/index.ts';
import { FakeWorkloadApi } from '../../testkit/fake-workload-api.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { entry, message } from '../../testkit/x509-messages.ts';

/** A machine may have other things to do. */
const OFTEN = { interval: 2 };

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa({ trustDomain: 'a.example' });
});

let folder: ReturnType<typeof tempDir>;
let api: FakeWorkloadApi;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  folder = tempDir();
  api = await new FakeWorkloadApi(folder.file('api.sock')).start();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await api.stop();
  folder[Symbol.dispose]();
});

async function open(config: unknown, environment: Record<string, string> = {}) {
  const clock = new TestClock(TEST_INSTANT);
  const context = { clock, random: systemRandom, log: silentLog, environment };
  const own = createSvid(svidSource.parse(config), context);
  closing.push(() => own.stop());
  await own.start();
  return own;
}

describe('createSvid() of a Workload API', () => {
  it('returns the SVID and its source, and the reason when there is none (WLAPI-24)', async () => {
    const own = await open({ workload_api: `unix://${api.path}` });
    const none = { source: 'workload-api', from: `unix://${api.path}`, id: null, not_after: null };
    expect(own.describe()).toEqual({ ...none, code: null, message: null });
    const leaf = await ca.issueLeaf({ path: '/federate' });
    api.say(message([entry(leaf, ca)]));
    await expect.poll(() => own.svid.current()?.id, OFTEN).toBe('spiffe://a.example/federate');
    expect(own.describe()).toMatchObject({ id: leaf.id, not_after: '2030-01-02T11:00:00.000Z', code: null });
    api.refuse(status.PERMISSION_DENIED, 'no identity issued');
    await expect
      .poll(() => own.describe(), OFTEN)
      .toEqual({
        ...none,
        code: 'permission-denied',
        message: 'PERMISSION_DENIED: no identity issued',
      });
  });

  it('finds it through SPIFFE_ENDPOINT_SOCKET, and takes the SVID that the config selects (WLAPI-06)', async () => {
    const [first, second] = await Promise.all(['/one', '/two'].map((path) => ca.issueLeaf({ path })));
    const svids = [first, second].flatMap((leaf) => (leaf ? [entry(leaf, ca)] : []));
    api.say(message(svids));
    const environment = { SPIFFE_ENDPOINT_SOCKET: `unix://${api.path}` };
    const config = { workload_api: 'SPIFFE_ENDPOINT_SOCKET', spiffe_id: 'spiffe://a.example/two' };
    const own = await open(config, environment);
    await expect.poll(() => own.svid.current()?.id, OFTEN).toBe('spiffe://a.example/two');
    await expect(open(config)).rejects.toMatchObject({ code: 'endpoint-address-missing' });
  });
});
