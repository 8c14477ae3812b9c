import { describe, expect, it } from 'vitest';
import { OwnTrustWatch } from '../../src/agent/own-trust-watch.ts';
import type { AdapterStatus, OwnTrust } from '../../src/mesh-adapters/index.ts';
import { silentLog } from '../../src/platform/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';

const trustDomain = parseTrustDomain('a.example');

function watch(status: AdapterStatus, reports: readonly OwnTrust[] = []) {
  const adapter = {
    watchOwnTrust: async function* (signal: AbortSignal) {
      yield* reports;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    status: () => status,
  };
  const own = { observe: async (trust: OwnTrust) => ({ ...trust, roots: [...trust.roots, ...trust.roots] }) };
  return new OwnTrustWatch({ adapter, own, clock: new TestClock(TEST_INSTANT), log: silentLog });
}

describe('OwnTrustWatch', () => {
  it.each([
    'own-roots-malformed',
    'file-unreadable',
    'own-trust-domain-ambiguous',
  ])('warns of own roots that cannot be read: %s', (code) => {
    const watching = watch({ connected: false, code, message: 'entry 2 …', since: TEST_INSTANT });
    expect(watching.warnings()).toEqual([
      {
        trust_domain: null,
        code: 'own-roots-unreadable',
        message: expect.stringContaining('entry 2 …') as string,
        since: TEST_INSTANT.toISOString(),
      },
    ]);
  });

  it.each([
    { connected: true },
    { connected: false, code: 'mesh-unreachable', since: TEST_INSTANT },
  ])('does not warn of it otherwise: %j', (status) => {
    expect(watch(status).warnings()).toEqual([]);
  });

  it('hands on what counts of a report, not what the report lacks', async () => {
    const { authority } = await createTestCa({ trustDomain });
    const watching = watch({ connected: true }, [{ trustDomain, roots: [authority], isConfirmed: false }]);
    const seen: number[] = [];
    watching.onTaken(({ roots }) => seen.push(roots.length));
    watching.start();
    await until(() => seen.length === 1, 'the report');
    expect(seen).toEqual([2]);
    await watching.stop();
  });
});
