import { describe, expect, it } from 'vitest';
import { OwnBundle } from '../../src/agent/own-bundle.ts';
import { OwnTrustWatch } from '../../src/agent/own-trust-watch.ts';
import { Reconciliation } from '../../src/agent/reconciliation.ts';
import type { OwnTrust } from '../../src/mesh-adapters/index.ts';
import { parseTrustDomain, type TrustBundle } from '../../src/spiffe/index.ts';
import { createMetrics } from '../../src/platform/index.ts';
import { createFailingStore } from '../../testkit/failing-store.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const EVERY_MS = 60_000;

describe('Reconciliation', () => {
  it('compares each minute, counts and logs what it corrects, and continues after a failure', async () => {
    const clock = new TestClock(TEST_INSTANT);
    const log = createRecordingLog();
    const metrics = createMetrics({ processMetrics: false });
    let isBehind = true;
    let compared = 0;
    const served = [
      {
        name: 'broken',
        correct: () => {
          throw new Error('it cannot be asked');
        },
      },
      {
        name: 'endpoint',
        correct: () => {
          compared += 1;
          return isBehind;
        },
      },
    ];
    const reconciliation = new Reconciliation(served, { clock, log, metrics });
    reconciliation.start();
    await clock.advance(EVERY_MS);
    isBehind = false;
    await clock.advance(2 * EVERY_MS);
    await reconciliation.stop();
    expect(compared).toBe(3);
    const rendered = await metrics.render();
    expect(rendered).toContain('federate_corrections_total{part="endpoint"} 1');
    expect(log.records.map(({ level, fields }) => [level, fields['of']])).toEqual([
      ['error', 'broken'],
      ['warn', 'endpoint'],
      ['error', 'broken'],
      ['error', 'broken'],
    ]);
  });
});

describe('OwnTrustWatch', () => {
  it('warns of own roots that the store could not keep, and publishes them once it can', async () => {
    const clock = new TestClock(TEST_INSTANT);
    const log = createRecordingLog();
    const store = createFailingStore(await openTestStore());
    const ca = await createTestCa({ trustDomain: 'a.example' });
    const own = new OwnBundle({
      store,
      expected: parseTrustDomain('a.example'),
      refreshHintSeconds: 60,
      origin: 'files',
      clock,
      log,
    });
    const published: TrustBundle[] = [];
    own.follow((bundle) => published.push(bundle));
    const trust: OwnTrust = { trustDomain: ca.trustDomain, roots: [ca.authority] };
    const watch = new OwnTrustWatch({
      adapter: {
        watchOwnTrust: async function* (signal) {
          yield trust;
          await clock.sleep(EVERY_MS * 100, signal);
        },
        status: () => ({ connected: true }),
      },
      own,
      clock,
      log,
    });
    const taken: OwnTrust[] = [];
    watch.onTaken((each) => taken.push(each));
    store.failNext({ method: 'replaceCurrent' });
    watch.start();
    await clock.untilSleeping();
    expect(watch.warnings()).toMatchObject([{ code: 'own-roots-not-taken', trust_domain: null }]);
    expect(published).toEqual([]);
    expect(await watch.tryAgain()).toBe(true);
    expect([published.length, taken, watch.warnings()]).toEqual([1, [trust], []]);
    expect(await watch.tryAgain()).toBe(false);
    await watch.stop();
  });
});
