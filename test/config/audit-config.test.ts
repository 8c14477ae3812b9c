import { describe, expect, it } from 'vitest';
import { agentConfigSchema } from '../../src/config/index.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';

const withAudit = (audit: unknown) =>
  agentConfigSchema.safeParse({
    ...plainAgentConfig(),
    trust_domain: 'a.example',
    mesh: { kind: 'files', own_pem_files: ['root.pem'], foreign_folder: 'foreign' },
    audit,
  });

const hook = { kind: 'webhook', url: 'https://siem.example/x', secret_file: 'secret' };

describe('audit of an agent', () => {
  it('takes several sinks with names of their own', () => {
    const { data, error } = withAudit([
      { kind: 'stdout' },
      hook,
      { ...hook, name: 'second', from: 'beginning' },
    ]);
    expect(error).toBeUndefined();
    expect(data?.audit.map(({ name, from }) => [name, from])).toEqual([
      [undefined, 'now'],
      [undefined, 'now'],
      ['second', 'beginning'],
    ]);
  });

  it('takes http to a loopback address only', () => {
    expect(withAudit([{ ...hook, url: 'http://127.0.0.1:8080/' }]).success).toBe(true);
  });

  it.each([
    ['two sinks of one name', [hook, hook]],
    ['http to another host', [{ ...hook, url: 'http://siem.example/' }]],
    ['a user name in the address', [{ ...hook, url: 'https://me:it@siem.example/' }]],
    ['another scheme', [{ ...hook, url: 'file:///etc/passwd' }]],
    ['a webhook without a secret', [{ kind: 'webhook', url: 'https://siem.example/' }]],
    ['an unknown kind', [{ kind: 'kafka' }]],
    ['a name with a slash', [{ kind: 'stdout', name: 'a/b' }]],
    ['more than eight', Array.from({ length: 9 }, (_, index) => ({ kind: 'stdout', name: `s${index}` }))],
  ])('refuses %s', (_, audit) => {
    expect(withAudit(audit).success).toBe(false);
  });
});
