import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { DistrustDocument } from '../../src/admin-client/index.ts';
import { AdminServer } from '../../src/admin/index.ts';
import { bundleOf, parseTrustDomain } from '../../src/spiffe/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';

const NAME = parseTrustDomain('a.example');
const key = {
  trust_domain: NAME,
  key_fingerprint: 'a'.repeat(64),
  label: 'aaaaaa CN=Old',
  since: '2030-01-01T12:00:00.000Z',
  until: '2030-01-02T12:00:00.000Z',
  actor: 'operator:ann',
  reason: 'tape \u001b[31mlost',
};

let folder: ReturnType<typeof tempDir>;
let server: AdminServer;
let asked: DistrustDocument[];
beforeAll(async () => {
  folder = tempDir();
  asked = [];
  const store = await openTestStore();
  const ca = await createTestCa({ trustDomain: NAME });
  await store.replaceCurrent({
    trustDomain: NAME,
    expectedDigest: null,
    version: {
      bundle: bundleOf(NAME, [ca.authority]),
      receivedAt: TEST_INSTANT,
      verdict: 'own',
      origin: 'files',
    },
  });
  server = new AdminServer({
    path: folder.file('admin.sock'),
    ...stubAdmin(store, {
      'GET /v1/distrusted': () => [key],
      'POST /v1/distrusted': ({ body }) => {
        asked.push(body);
        const left = { was_trusted: true, x509_left: 0, jwt_left: 1 };
        const ours = { ours: true, own_svid_refused: false, signs_now: true };
        return { ...key, ...left, ...ours, in_mesh: null, mesh_may_still_trust: false };
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
  const err: string[] = [];
  const terminal = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
  const code = await main([...words, '--socket', folder.file('admin.sock')], terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('federate distrust', () => {
  it('says loudly what is left when the last root went, and how to undo it', async () => {
    const { code, out } = await run('distrust', 'own', 'aaaaaa', '--for', '2h', '--reason', 'lost');
    expect(code).toBe(0);
    expect(out).toContain('WARNING: we publish no root any more');
    expect(out).toContain('Left of a.example: 0 roots, 1 JWT key.');
    expect(out).toContain('WARNING: our mesh signs identities under this key now');
    expect(out).toContain('Peers that hold a request open hear it at once');
    expect(out).toContain(
      `federate trust --again own sha256:${'a'.repeat(64)} --socket ${folder.file('admin.sock')}`,
    );
    expect(asked).toMatchObject([{ trust_domain: 'own', key: 'aaaaaa', reason: 'lost' }]);
    const left = Date.parse(asked[0]?.until ?? '') - Date.now();
    expect(left).toBeGreaterThan(7_000_000);
    expect(left).toBeLessThanOrEqual(7_200_000);
  });

  it('lists them with who, why and until when, and lets no key steer the terminal', async () => {
    const { out } = await run('distrust', 'list');
    expect(out).toMatch(/by operator:ann, until 2030-01-02T12:00:00Z: tape/);
    expect(out).not.toContain('\u001b');
  });

  it('bundle show marks what does not count', async () => {
    const { out } = await run('bundle', 'show', NAME);
    expect(out).toMatch(/DISTRUSTED +aaaaaa CN=Old since .* until .*: it does not count/);
  });
});
