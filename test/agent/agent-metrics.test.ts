import { describe, expect, it } from 'vitest';
import { version } from '../../src/platform/index.ts';
import { AgentInProcess } from '../../testkit/agent-in-process.ts';
import { documentedMetrics } from '../../testkit/documented-metrics.ts';

/** The names in an exposition, without the process's own. */
function namesIn(text: string): string[] {
  return [...text.matchAll(/^# TYPE (federate_\w+) /gm)].map(([, name = '']) => name).sort();
}

/** The value of the first sample with a name and labels that begin like this. */
function valueOf(text: string, start: string): number {
  const line = text.split('\n').find((each) => each.startsWith(start));
  return Number(line?.split(' ').at(-1) ?? 'missing');
}

describe('the metrics of an agent', () => {
  it('are right at the first scrape after a start', async () => {
    await using world = await AgentInProcess.start();
    await world.startAgain();
    const text = await (await world.web('/metrics')).text();
    const years = (value: number) => value / (365 * 24 * 3600);
    expect(years(valueOf(text, 'federate_own_root_ends_seconds'))).toBeGreaterThan(50);
    expect(years(valueOf(text, 'federate_own_svid_ends_seconds'))).toBeGreaterThan(50);
    expect(years(valueOf(text, 'federate_endpoint_certificate_ends_seconds'))).toBeGreaterThan(50);
    expect(valueOf(text, 'federate_own_roots{stage="in-use"}')).toBe(1);
    expect(valueOf(text, 'federate_rotation_laggards')).toBe(0);
    expect(valueOf(text, `federate_build_info{version="${version()}",node="${process.versions.node}"}`)).toBe(
      1,
    );
    expect(valueOf(text, 'federate_ready')).toBe(1);
    expect(valueOf(text, 'federate_store_usable')).toBe(1);
    expect(valueOf(text, 'federate_store_bytes')).toBeGreaterThan(1000);
    expect(valueOf(text, 'federate_open_invitations{role="inviter"}')).toBe(0);
    expect(valueOf(text, 'federate_warnings{code="trust-stale"}')).toBe(0);
    expect(valueOf(text, 'federate_mesh_connected{mesh="files"}')).toBeOneOf([0, 1]);
  });

  it('are those that docs/operations.md lists, and no others', async () => {
    await using world = await AgentInProcess.start();
    const rendered = namesIn(await (await world.web('/metrics')).text());
    expect(rendered).toEqual(
      documentedMetrics('of an agent')
        .map(({ name }) => name)
        .sort(),
    );
  });

  it('count an open invitation', async () => {
    await using world = await AgentInProcess.start();
    await world.admin.call('POST /v1/invitations', { body: { peer: 'b.example', expires_in_seconds: 600 } });
    const text = await (await world.web('/metrics')).text();
    expect(valueOf(text, 'federate_open_invitations{role="inviter"}')).toBe(1);
  });
});
