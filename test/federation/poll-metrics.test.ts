import { describe, expect, it } from 'vitest';
import { createPollMetrics } from '../../src/federation/poll/poll-metrics.ts';
import { createMetrics } from '../../src/platform/index.ts';
import type { Relationship } from '../../src/store/index.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { INSTANT, madeUpBundle } from './made-up-bundle.ts';

const { trustDomain } = madeUpBundle('peer.example', []);

describe('createPollMetrics()', () => {
  it('counts polls by outcome, and tells the age of a bundle when it is asked (FED-57)', async () => {
    const clock = new TestClock(INSTANT);
    const metrics = createMetrics({ processMetrics: false });
    const relationships: Relationship[] = [
      {
        trustDomain,
        endpointUrl: 'https://peer.example/',
        profile: { kind: 'https_web' },
        state: 'failing',
        consecutiveFailures: 3,
        createdAt: INSTANT,
        lastSuccessAt: INSTANT,
        bootstrap: { kind: 'web-pki', detail: '' },
      },
    ];
    const { observe } = createPollMetrics(metrics, clock, () => relationships);
    observe({ trustDomain, outcome: { kind: 'unchanged' } }, 12);
    observe({ trustDomain, outcome: { kind: 'failed', code: 'tls-failed', message: '' } }, 12);
    await clock.advance(90_000);
    const text = await metrics.render();
    expect(text).toContain('federate_poll_total{outcome="unchanged"} 1');
    expect(text).toContain('federate_poll_total{outcome="failed"} 1');
    expect(text).toContain('federate_bundle_age_seconds{trust_domain="peer.example"} 90');
    expect(text).toContain('federate_relationship_failures{trust_domain="peer.example"} 3');
    expect(text).toContain('federate_relationships{state="failing"} 1');
    relationships.length = 0;
    expect(await metrics.render()).not.toContain('trust_domain="peer.example"');
  });
});
