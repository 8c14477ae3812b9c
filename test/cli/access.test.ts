import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { main } from '../../src/cli/main.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const POLICY = `
service: info
ports:
  - { name: http, port: 8080 }
  - { name: sql, port: 3306, protocol: tcp, server_first: true }
rules:
  - id: read
    from: [spiffe://a.example/ns/x/sa/y]
    ports: [http]
    methods: [GET]
    paths: [/remarks]
  - from: [c.example]
    ports: [sql]
`;

async function access(policy: string, ...words: readonly string[]) {
  using folder = tempDir();
  const file = folder.file('policy.yaml');
  writeFileSync(file, policy);
  let [out, err] = ['', ''];
  const [verb = '', ...rest] = words;
  const code = await main(['access', verb, file, ...rest], {
    out: (text) => {
      out += `${text}\n`;
    },
    err: (text) => {
      err += `${text}\n`;
    },
  });
  return { code, out, err };
}

it('answers whether a request is allowed, by exit code and by the rule', async () => {
  const from = ['--from', 'spiffe://a.example/ns/x/sa/y', '--port', 'http', '--method', 'GET'];
  expect(await access(POLICY, 'check', ...from, '--path', '/remarks')).toMatchObject({
    code: 0,
    out: 'allowed by the rule read\n',
  });
  const refused = await access(POLICY, 'check', ...from, '--path', '/other', '--output', 'json');
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.out)).toEqual({
    service: 'info',
    port: 'http',
    allowed: false,
    code: 'no-rule-allows',
  });
  const second = ['--from', 'spiffe://c.example/x', '--port', 'sql'];
  expect(await access(POLICY, 'check', ...second)).toMatchObject({
    code: 0,
    out: 'allowed by the rule rule-2\n',
  });
});

it('demands the port of a service with several ports, and a SPIFFE ID', async () => {
  expect(await access(POLICY, 'check', '--from', 'spiffe://a.example/x')).toMatchObject({
    code: 2,
    err: expect.stringContaining('http, sql'),
  });
  expect(await access(POLICY, 'check', '--from', 'a.example', '--port', 'sql')).toMatchObject({
    code: 2,
    err: expect.stringContaining('[id-scheme]'),
  });
});

it('writes a stream of objects for a mesh, and warns of a server that speaks first', async () => {
  const { code, out, err } = await access(
    POLICY,
    'compile',
    '--for',
    'istio',
    '--namespace',
    'shop',
    '--label',
    'app=info',
  );
  expect(code).toBe(0);
  const documents = parseAllDocuments(out).map((document) => document.toJS());
  expect(documents).toEqual([
    expect.objectContaining({
      kind: 'AuthorizationPolicy',
      metadata: expect.objectContaining({ namespace: 'shop', name: 'federate-info-allow' }),
      spec: expect.objectContaining({ action: 'ALLOW', selector: { matchLabels: { app: 'info' } } }),
    }),
  ]);
  expect(err).toContain('[server-first-port]');
  expect(err).toContain('[needs-path-normalization]');
});

it('names each refused element, and writes the rest', async () => {
  const policy = `${POLICY}  - { from: [spiffe://d.example/x], ports: [sql] }\n`;
  const { code, out, err } = await access(policy, 'compile', '--for', 'kuma');
  expect(code).toBe(1);
  expect(err).toContain('REFUSED: the method of the rule read:');
  expect(err).toContain('REFUSED: the path of the rule read:');
  expect(out).not.toContain('a.example');
  // Kuma cannot name a whole trust domain.
  expect(err).toContain('REFUSED: the caller of the rule rule-2:');
  expect(out).not.toContain('c.example');
  expect(out).toContain('spiffe://d.example/x');
});

it('writes nothing where a deny rule is refused', async () => {
  const policy = `${POLICY}  - { effect: deny, from: [c.example], ports: [http], paths: [/x] }\n`;
  const { code, out, err } = await access(policy, 'compile', '--for', 'kubernetes', '--output', 'json');
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ target: 'kubernetes', objects: [] });
  expect(err).toBe('');
});

it('names every mistake of a policy file with its line', async () => {
  const { code, err } = await access(
    'service: Info\nports: [{ name: http, port: 80 }]\nrules:\n  - { from: [spiffe://b.example] }\n  - { from: [b.example], paths: [/a/../b] }\n',
    'compile',
    '--for',
    'istio',
  );
  expect(code).toBe(2);
  expect(err).toMatch(
    /line 1: service: .*line 4: rules\[0\]\.from\[0\]: .*line 5: rules\[1\]\.paths\[0\]: /s,
  );
});

it('refuses rules with one ID, with an unknown port, and conditions of HTTP on TCP', async () => {
  const rules = (text: string) =>
    access(
      `service: info\nports: [{ name: sql, port: 1, protocol: tcp }]\nrules:\n${text}`,
      'compile',
      '--for',
      'istio',
    );
  expect((await rules('  - { id: a, from: [b.example] }\n  - { id: a, from: [c.example] }\n')).err).toContain(
    'rules[1].id: another rule has the ID a',
  );
  expect((await rules('  - { from: [b.example], ports: [http] }\n')).err).toContain(
    'none with the name "http"',
  );
  expect((await rules('  - { from: [b.example], methods: [GET] }\n')).err).toContain('speaks tcp');
});
