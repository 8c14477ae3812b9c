import { beforeAll, describe, expect, it } from 'vitest';
import { createEndpointVerifier } from '../../src/federation/fetch/endpoint-verifier.ts';
import { BundleSet } from '../../src/spiffe/index.ts';
import { createMetrics } from '../../src/platform/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

let ca: TestCa;
let bare: readonly Uint8Array[];
let sound: readonly Uint8Array[];

beforeAll(async () => {
  ca = await createTestCa({ trustDomain: 'b.example' });
  bare = (await ca.issueLeaf({ path: '/bare', keyUsage: [] })).chain;
  sound = (await ca.issueLeaf({ path: '/sound' })).chain;
});

function verifier(strictKeyUsage?: boolean) {
  const log = createRecordingLog();
  const metrics = createMetrics({ processMetrics: false });
  const options = { clock: new TestClock(TEST_INSTANT), log, metrics, strictKeyUsage };
  const judged = createEndpointVerifier(
    options as unknown as Parameters<typeof createEndpointVerifier>[0],
    new BundleSet([ca.bundle()]),
  );
  return { judged, log, metrics };
}

describe('createEndpointVerifier()', () => {
  it('accepts, logs once and counts a leaf without key usage (X509-11)', async () => {
    const { judged, log, metrics } = verifier();
    for (let time = 0; time < 3; time += 1)
      expect(judged.verify(bare, 'server').id).toBe('spiffe://b.example/bare');
    judged.verify(sound, 'server');
    expect(log.records).toMatchObject([
      { level: 'warn', fields: { id: 'spiffe://b.example/bare', warning: 'key-usage-missing' } },
    ]);
    expect(await metrics.render()).toContain('federate_svid_warnings_total{warning="key-usage-missing"} 1');
  });

  it('refuses it with the strict switch, and no sound leaf (X509-11)', () => {
    const { judged } = verifier(true);
    expect(() => judged.verify(bare, 'server')).toThrow(expect.objectContaining({ code: 'key-usage' }));
    expect(judged.verify(sound, 'server').id).toBe('spiffe://b.example/sound');
  });
});
