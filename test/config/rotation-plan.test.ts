import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { main } from '../../src/cli/main.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

/** What `federate check-config` reports about an agent with these times. */
async function check(hint: string, rotation: object): Promise<{ code: number; answer: unknown }> {
  using folder = tempDir();
  const file = folder.file('agent.yaml');
  writeFileSync(
    file,
    stringify({
      ...plainAgentConfig(),
      endpoint: { ...plainAgentConfig().endpoint, refresh_hint: hint },
      mesh: { kind: 'istio' },
      rotation,
    }),
  );
  const out: string[] = [];
  const code = await main(['check-config', file, '--without-files', '--output', 'json'], {
    out: (text) => out.push(text),
    err: () => {},
  });
  return { code, answer: JSON.parse(out.join('\n')) };
}

describe('federate check-config and the times of a rotation', () => {
  it('refuses a CA of ten minutes with a hint of five', async () => {
    expect(await check('1m', { ca_lifetime: '10m', leaf_lifetime: '1m' })).toMatchObject({
      code: 0,
      answer: { ok: true, notes: [] },
    });
    expect(await check('5m', { ca_lifetime: '10m', leaf_lifetime: '1m' })).toMatchObject({
      code: 2,
      answer: { error: { code: 'config-invalid', mistakes: [{ path: 'rotation.ca_lifetime' }] } },
    });
  });

  it('accepts what is only risky, and reports it', async () => {
    expect(await check('5m', { ca_lifetime: '20m', leaf_lifetime: '1m' })).toMatchObject({
      code: 0,
      answer: { ok: true, notes: [{ level: 'risky', code: 'hint-long' }] },
    });
    expect(await check('30s', {})).toMatchObject({
      code: 0,
      answer: { notes: [{ level: 'note', code: 'hint-below-a-minute' }] },
    });
  });
});
