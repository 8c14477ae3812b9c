import { describe, expect, it } from 'vitest';
import type { Answer } from '../../src/admin/index.ts';
import { serveAdmin } from '../../testkit/serve-admin.ts';
import { TestReader } from '../../testkit/reader.ts';

type Export = Answer<'GET /v1/exports'>[number];

const exported: Export = {
  service: 'info',
  trust_domain: 'b.example',
  state: 'serving',
  reason: null,
  since: '2030-01-01T12:00:00.000Z',
  drain_until: null,
  actor: 'operator:1000',
  sequence: 1,
  may_call: [],
  snis: ['info.a.example'],
  used: null,
  in_mesh: null,
};

/** What a verb prints, with the body that the agent got. */
async function run(route: string, answer: unknown, words: readonly string[]) {
  const bodies: unknown[] = [];
  const handler = ({ body }: { readonly body: unknown }) => {
    bodies.push(body);
    return answer;
  };
  await using admin = await serveAdmin(Object.assign({ 'GET /v1/imports': () => [] }, { [route]: handler }));
  const reader = new TestReader();
  const code = await reader.run(...words, '--socket', admin.path);
  return { code, bodies, out: reader.out.join('\n'), err: reader.err.join('\n') };
}

describe('federate service', () => {
  it('export names the SNI, and says what to do while nobody may call', async () => {
    const { out, bodies } = await run(
      'POST /v1/exports',
      [exported],
      ['service', 'export', 'info', '--to', 'b.example'],
    );
    expect(bodies).toEqual([{ service: 'info', to: ['b.example'] }]);
    expect(out).toContain('info is exported to b.example under info.a.example.');
    expect(out).toContain('access allow');
  });

  it('export describes a service that the mesh does not report', async () => {
    const words = ['--port', '3306', '--protocol', 'tcp', '--server-first', '--target', '[::1]:15006'];
    const { bodies } = await run(
      'POST /v1/exports',
      [exported],
      ['service', 'export', 'db', '--to', 'b.example', ...words, '--spiffe-id', 'spiffe://a.example/db'],
    );
    const port = { name: 'tcp', port: 3306, protocol: 'tcp', server_first: true };
    expect(bodies).toEqual([
      {
        service: 'db',
        to: ['b.example'],
        described: {
          ports: [{ ...port, target: { host: '::1', port: 15006 } }],
          spiffe_ids: ['spiffe://a.example/db'],
        },
      },
    ]);
  });

  it('export wants the whole description or none', async () => {
    const { code, bodies } = await run(
      'POST /v1/exports',
      [exported],
      ['service', 'export', 'db', '--to', 'b.example', '--port', '3306'],
    );
    expect([code, bodies]).toEqual([2, []]);
  });

  it('withdraw takes --to as well as --from', async () => {
    const draining: Export = { ...exported, state: 'draining', drain_until: '2030-01-01T12:00:30.000Z' };
    const { out, bodies } = await run(
      'POST /v1/withdrawn-exports',
      [draining],
      ['service', 'withdraw', 'info', '--to', 'b.example'],
    );
    expect(bodies).toEqual([{ service: 'info', from: ['b.example'] }]);
    expect(out).toContain('info drains for b.example until');
  });

  it('list shows what the peer and our mesh did, without letting a name steer the terminal', async () => {
    const used = { state: 'refused', code: 'import-\u001b[31mconflict', sequence: 1 } as const;
    const { out } = await run('GET /v1/exports', [{ ...exported, used }], ['service', 'list']);
    expect(out).toContain('refused [import-');
    expect(out).toContain('nobody');
    expect(out).not.toContain('\u001b');
  });
});

describe('federate access', () => {
  it('allow sends the conditions, and prints warnings apart', async () => {
    const rule = {
      service: 'info',
      id: 'rule-1',
      effect: 'allow',
      from: ['spiffe://b.example/ui'],
      methods: ['GET', 'POST'],
      since: exported.since,
      actor: 'operator:1000',
      unfit: null,
      warnings: [{ code: 'not-exported', message: 'info is not exported to any peer' }],
    };
    const { out, err, bodies } = await run('POST /v1/access', rule, [
      'access',
      'allow',
      '--service',
      'info',
      '--from',
      'spiffe://b.example/ui',
      '--methods',
      'GET,POST',
    ]);
    expect(bodies).toEqual([
      { service: 'info', effect: 'allow', from: ['spiffe://b.example/ui'], methods: ['GET', 'POST'] },
    ]);
    expect(out).toBe('info: rule-1 lets in spiffe://b.example/ui GET POST');
    expect(err).toContain('[not-exported]');
  });

  it.each([
    [{ allowed: true, rule: 'rule-1', code: null }, 0, 'allowed by the rule rule-1'],
    [{ allowed: false, rule: null, code: 'not-exported' }, 1, '[not-exported]'],
    [{ allowed: false, rule: 'no', code: 'denied-by-rule' }, 1, 'the rule no denies it'],
  ])('check --service says %j', async (verdict, exit, text) => {
    const { code, out } = await run('POST /v1/access-check', { service: 'info', port: 'http', ...verdict }, [
      'access',
      'check',
      '--service',
      'info',
      '--from',
      'spiffe://b.example/ui',
    ]);
    expect(code).toBe(exit);
    expect(out).toContain(text);
  });

  it('check and compile want a file or a service, and not both', async () => {
    for (const more of [[], ['policy.yaml', '--service', 'info']]) {
      const words = ['access', 'check', ...more, '--from', 'spiffe://b.example/ui'];
      expect((await run('POST /v1/access-check', {}, words)).code).toBe(2);
    }
  });
});
