import { describe, expect, it } from 'vitest';
import { createHistoryLog } from '../../src/agent/history-log.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { AgentInProcess } from '../../testkit/agent-in-process.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';

describe('createHistoryLog()', () => {
  it('gives every kind of event the same fields, and warns of what is wrong', () => {
    const log = createRecordingLog();
    const write = createHistoryLog(log);
    write([
      { at: TEST_INSTANT, kind: 'agent-started', actor: 'agent', message: 'it started' },
      {
        at: TEST_INSTANT,
        kind: 'bundle-refused',
        trustDomain: parseTrustDomain('b.example'),
        actor: 'agent',
        code: 'sequence-rolled-back',
        message: 'it went back',
        versionNumber: 7,
        detail: { sequence: '3' },
      },
    ]);
    const at = TEST_INSTANT.toISOString();
    expect(log.records).toEqual([
      {
        level: 'info',
        message: 'history',
        fields: {
          event: 'agent-started',
          at,
          trust_domain: null,
          actor: 'agent',
          code: null,
          reason: 'it started',
          version: null,
        },
      },
      {
        level: 'warn',
        message: 'history',
        fields: {
          event: 'bundle-refused',
          at,
          trust_domain: 'b.example',
          actor: 'agent',
          code: 'sequence-rolled-back',
          reason: 'it went back',
          version: 7,
          detail: { sequence: '3' },
        },
      },
    ]);
  });

  it('has a line for each event of the history of a running agent', async () => {
    await using world = await AgentInProcess.start();
    await world.admin.call('POST /v1/invitations', { body: { peer: 'b.example', expires_in_seconds: 600 } });
    const { events } = await world.admin.call('GET /v1/bundles/{trust_domain}/history', {
      params: { trust_domain: 'a.example' },
      query: { limit: 100 },
    });
    const lines = world.log.records.filter(({ message }) => message === 'history');
    const logged = lines.map(({ fields }) => fields['event']);
    expect(logged).toEqual(expect.arrayContaining(['agent-started', 'invitation-given']));
    const own = lines.filter(({ fields }) => fields['trust_domain'] === 'a.example');
    expect(own.map(({ fields }) => [fields['event'], fields['reason']])).toEqual(
      events.toReversed().map(({ kind, message }) => [kind, message]),
    );
    expect(events.length).toBeGreaterThan(1);
  });
});
