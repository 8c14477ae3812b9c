import { createSpiffeVerifier } from '../src/mtls/index.ts';
import { BundleSet } from '../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../testkit/test-ca.ts';
import { TestClock } from '../testkit/test-clock.ts';
import { type Bench, microsecondsPer } from './support/measure.ts';

/** The cost of judging one peer: P-256, one signature and two, and from the cache. */
export const verification: Bench = {
  name: 'verification',
  async run({ quick }) {
    const ms = quick ? 200 : 1000;
    const ca = await createTestCa({ trustDomain: 'a.example' });
    const intermediate = await ca.issueIntermediate();
    const one = (await ca.issueLeaf({ path: '/x' })).chain;
    const two = (await intermediate.issueLeaf({ path: '/x' })).chain;
    const parts = { bundles: new BundleSet([ca.bundle(1n)]), clock: new TestClock(TEST_INSTANT) };
    const uncached = createSpiffeVerifier({ ...parts, cacheEntries: 0 });
    const cached = createSpiffeVerifier(parts);
    const [single, double, again] = [
      microsecondsPer(() => uncached.verify(one, 'client'), ms),
      microsecondsPer(() => uncached.verify(two, 'client'), ms),
      microsecondsPer(() => cached.verify(one, 'client'), ms),
    ];
    return [
      {
        what: 'verification, one signature',
        value: `${single.toFixed(0)} µs`,
        target: '≤ 150 µs',
        reached: single <= 150,
      },
      { what: 'verification, two signatures', value: `${double.toFixed(0)} µs` },
      {
        what: 'verification, cached',
        value: `${again.toFixed(1)} µs`,
        target: '≤ 5 µs',
        reached: again <= 5,
      },
    ];
  },
};
