import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AddDocument, StatusDocument } from '../../src/admin-client/index.ts';
import { main } from '../../src/cli/main.ts';
import { AdminServer } from '../../src/admin/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const status: StatusDocument = {
  ready: true,
  trust_domain: 'a.example',
  started_at: '2030-01-01T12:00:00.000Z',
  own: { sequence: '1', version: 1, authorities: 1, pin: 'sha256:00' },
  endpoint: {
    url: 'https://a.example:8443/',
    profile: 'https_web',
    endpoint_id: null,
    ca_file: null,
    serving: true,
  },
  agent_id: null,
  identity: null,
  warnings: [],
  mesh: { kind: 'files', scope: 'per-trust-domain', connected: true, code: null, message: null },
  workload_api: null,
  relationships: { total: 0, by_state: {} },
};

let folder: ReturnType<typeof tempDir>;
let server: AdminServer;
let shown = status;
let added: AddDocument | undefined;
beforeAll(async () => {
  folder = tempDir();
  server = new AdminServer({
    path: folder.file('admin.sock'),
    ...stubAdmin(await openTestStore(), {
      'GET /v1/status': () => shown,
      'POST /v1/relationships': ({ body: document }) => {
        added = document;
        return {
          trust_domain: document.trust_domain,
          outcome: 'unchanged',
          code: null,
          message: null,
          state: 'active',
          warnings: [],
          left_out: [],
        };
      },
    }),
  });
  await server.start();
});
afterAll(async () => {
  await server.stop();
  folder[Symbol.dispose]();
});

async function run(...words: string[]) {
  const out: string[] = [];
  const terminal = { out: (text: string) => out.push(text), err: (text: string) => out.push(text) };
  const code = await main([...words, '--socket', folder.file('admin.sock')], terminal);
  return { code, text: out.join('\n') };
}

const add = (...words: string[]) =>
  run(
    'add',
    '--peer',
    'https://b.example/',
    '--trust-domain',
    'b.example',
    '--profile',
    'https_web',
    '--web-pki',
    ...words,
  );

describe('federate status', () => {
  it('prints the line for a peer without a CA file where the endpoint is in the public Web PKI', async () => {
    shown = status;
    const { text } = await run('status');
    expect(text).toContain('federate add --peer https://a.example:8443/');
    expect(text).not.toContain('--ca-file');
  });

  it('prints it with the CA file of the endpoint, and says that the peer needs a copy', async () => {
    shown = { ...status, endpoint: { ...status.endpoint, ca_file: '/etc/federate/web-ca.pem' } };
    const { text } = await run('status');
    expect(text).toMatch(/--profile https_web \\\n\s+--ca-file web-ca\.pem \\\n\s+--pin sha256:00\n/);
    expect(text).toContain('a copy of /etc/federate/web-ca.pem');
  });
});

describe('federate add', () => {
  it('says that it federated in one direction, and how the other one comes', async () => {
    const { code, text } = await add();
    expect([code, added?.even_foreign_keys]).toEqual([0, undefined]);
    expect(text).toContain(
      'Federated with b.example in one direction: identities of b.example are accepted here.',
    );
    expect(text).toContain('the operator of b.example');
  });

  it('takes a key of another trust domain only when the operator asks for it', async () => {
    await add('--even-foreign-keys');
    expect(added?.even_foreign_keys).toBe(true);
  });
});
