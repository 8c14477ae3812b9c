import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyChain, verifyToken } from '../../src/agent/admin/verify-svids.ts';
import { main } from '../../src/cli/main.ts';
import type { VerifyJwtDocument } from '../../src/admin-client/index.ts';
import { AdminServer } from '../../src/admin/index.ts';
import { BundleSet, bundleOf, contentDigest, parseTrustDomain } from '../../src/spiffe/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { createTokenKey, plainClaims, signToken } from '../../testkit/test-tokens.ts';

const A = parseTrustDomain('a.example');
const B = parseTrustDomain('b.example');
const key = createTokenKey('P-256', 'k\u001b\u009b2J1');
const keyOfB = createTokenKey('P-256', 'kb');
const bundle = bundleOf(A, [], { sequence: 7n, jwtAuthorities: [key.authority] });
const token = signToken(key);
const log = createRecordingLog();

/** An admin socket behind which tokens are really judged, by the bundles of two trust domains; one of them is in the store. */
let folder: ReturnType<typeof tempDir>;
let server: AdminServer;
let caOfB: TestCa;
beforeAll(async () => {
  folder = tempDir();
  const store = await openTestStore();
  caOfB = await createTestCa({ trustDomain: B });
  await store.replaceCurrent({
    trustDomain: A,
    expectedDigest: null,
    version: { bundle, receivedAt: TEST_INSTANT, verdict: 'own', origin: 'files' },
  });
  const bundles = new BundleSet([
    bundle,
    bundleOf(B, [caOfB.authority], { jwtAuthorities: [keyOfB.authority] }),
  ]);
  const parts = { bundles, held: bundles, distrusted: () => [], store, clock: new TestClock(TEST_INSTANT) };
  server = new AdminServer({
    path: folder.file('admin.sock'),
    ...stubAdmin(
      store,
      {
        'POST /v1/verify': ({ body }) => verifyChain(parts, body.pem, body.peer_role),
        'POST /v1/verify-jwt': ({ body }) => verifyToken(parts, body.token, body.audiences),
      },
      { log },
    ),
  });
  await server.start();
});
afterAll(async () => {
  await server.stop();
  folder[Symbol.dispose]();
});

async function verify(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
  const code = await main(['verify', '--socket', folder.file('admin.sock'), ...words], terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}
const json = async (...words: string[]) => {
  const { code, out } = await verify(...words, '--output', 'json');
  return { code, answer: JSON.parse(out) as VerifyJwtDocument };
};
const HERE = ['--audience', 'info.b.example'] as const;

describe('federate verify --jwt', () => {
  it('tells who is proven, by which key of which version, for whom and until when', async () => {
    const { code, out, err } = await verify('--jwt', token, ...HERE);
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n')).toEqual([
      'accepted  spiffe://a.example/w',
      'by key    "k\ufffd\ufffd2J1" (ES256)',
      'of        a.example, bundle version 1',
      'for       "info.b.example"',
      'until     2030-01-01T12:05:00Z',
    ]);
  });

  it('prints the whole answer with --output json, without the token', async () => {
    const { code, answer } = await json('--jwt', token, ...HERE);
    expect(code).toBe(0);
    expect(answer).toEqual({
      accepted: true,
      spiffe_id: 'spiffe://a.example/w',
      trust_domain: 'a.example',
      claimed_id: 'spiffe://a.example/w',
      audiences: ['info.b.example'],
      key: { key_id: key.authority.keyId, algorithm: 'ES256' },
      bundle_version: 1,
      bundle_digest: contentDigest(bundle),
      not_after: '2030-01-01T12:05:00.000Z',
      code: null,
      message: null,
    });
    // What is trusted now but in no history has no version.
    const ofB = signToken(keyOfB, { claims: plainClaims('spiffe://b.example/w') });
    expect((await json('--jwt', ofB, ...HERE)).answer).toMatchObject({
      accepted: true,
      bundle_version: null,
    });
  });

  it('takes the token from a file, with the line end that editors leave', async () => {
    const file = folder.file('token.jwt');
    writeFileSync(file, `${token}\n`);
    expect((await verify('--jwt', file, ...HERE)).code).toBe(0);
    writeFileSync(file, `${token}\n${token}\n`);
    expect((await json('--jwt', file, ...HERE)).answer.code).toBe('token-not-compact');
  });

  it('takes any of several audiences', async () => {
    expect((await verify('--jwt', token, '--audience', 'x', ...HERE)).code).toBe(0);
    expect((await verify('--jwt', token, '--audience', 'x', '--audience', 'y')).code).toBe(1);
  });

  it.each([
    ['another audience', () => [token, '--audience', 'x'], 'audience-mismatch'],
    ['a serialization that is not compact', () => ['{"payload":"e30"}', ...HERE], 'token-not-compact'],
    [
      'a trust domain without bundle',
      () => [signToken(key, { claims: plainClaims('spiffe://c.example/w') }), ...HERE],
      'no-bundle',
    ],
    [
      'an expired token',
      () => [signToken(key, { claims: { ...plainClaims(), exp: 1 } }), ...HERE],
      'token-expired',
    ],
    [
      'a forged subject',
      () => [signToken(keyOfB, { header: { alg: 'ES256' } }), ...HERE],
      'signature-invalid',
    ],
    ['a key of another trust domain', () => [signToken(keyOfB), ...HERE], 'key-unknown'],
  ])('refuses %s with code, sentence, hint and exit code 1', async (_what, words, refusal) => {
    expect((await verify('--jwt', token, ...HERE)).code).toBe(0);
    const text = await verify('--jwt', ...words());
    expect(text.code).toBe(1);
    expect(text.out).toMatch(/^refused: /);
    expect(text.out).toContain(`[${refusal}]`);
    expect(text.out).toMatch(/\n {2}→ ./);
    const { code, answer } = await json('--jwt', ...words());
    expect(code).toBe(1);
    expect(answer).toMatchObject({
      accepted: false,
      spiffe_id: null,
      trust_domain: null,
      code: refusal,
      key: null,
      bundle_version: null,
    });
  });

  it('says which trust domain has no bundle, and whom the token claims to be', async () => {
    const foreign = signToken(key, { claims: plainClaims('spiffe://c.example/w') });
    const { answer } = await json('--jwt', foreign, ...HERE);
    expect(answer.message).toContain('trust domain c.example,');
    expect(answer.claimed_id).toBe('spiffe://c.example/w');
  });

  it.each([
    ['--jwt without --audience', ['--jwt', token]],
    ['an empty audience', ['--jwt', token, '--audience', '']],
    ['--audience without --jwt', ['chain.pem', ...HERE]],
    ['a chain and a token', ['chain.pem', '--jwt', token, ...HERE]],
    ['neither', []],
    ['--peer-role with a token', ['--jwt', token, '--peer-role', 'client', ...HERE]],
    ['a token where a file should stand', [token]],
    ['a file that is not there', ['--jwt', './no/token.jwt', ...HERE]],
    ['a token with a blank in it', ['--jwt', `x ${token}`, ...HERE]],
  ])('exits with 2 for wrong usage and repeats no token: %s', async (_what, words) => {
    for (const more of [[], ['--output', 'json']]) {
      const { code, out, err } = await verify(...words, ...more);
      expect(code).toBe(2);
      expect(`${out}${err}`).not.toBe('');
      for (const section of token.split('.')) expect(`${out}${err}`).not.toContain(section);
    }
  });

  it('repeats no token that is refused, to the terminal or in the log', async () => {
    const [header = '', claims = '', signature = ''] = token.split('.');
    const refused = [
      `${header}.${claims}.`,
      `${header}.${claims}.${signature}.${signature}`,
      `${header}.${signature}.${signature}`,
      `${header}.${claims}.${signature.toLowerCase().slice(0, -4)}AAAA`,
    ];
    for (const bad of refused) {
      for (const more of [[], ['--output', 'json']]) {
        const { code, out, err } = await verify('--jwt', bad, ...HERE, ...more);
        expect(code).toBe(1);
        for (const section of bad.split('.').filter(({ length }) => length > 0))
          expect(`${out}${err}${JSON.stringify(log.records)}`).not.toContain(section);
      }
    }
  });

  it('exits with 3 when no agent answers', async () => {
    const { code, err } = await verify('--jwt', token, ...HERE, '--socket', '/nonexistent/admin.sock');
    expect(code).toBe(3);
    expect(err).not.toContain(token);
  });

  it('reads a file whose name could be a token', async () => {
    mkdirSync(folder.file('here'));
    const cwd = process.cwd();
    process.chdir(folder.file('here'));
    try {
      writeFileSync('eyJ.jwt', token);
      expect((await verify('--jwt', 'eyJ.jwt', ...HERE)).code).toBe(0);
    } finally {
      process.chdir(cwd);
    }
  });
});

describe('federate verify', () => {
  it('judges chains beside tokens, with a hint for a refusal', async () => {
    const file = folder.file('chain.pem');
    writeFileSync(file, (await caOfB.issueLeaf()).certPem);
    const accepted = await verify(file);
    expect(accepted.code).toBe(0);
    expect(accepted.out).toContain(`by root   O=b.example,CN=Root sha256:${caOfB.authority.fingerprint}`);
    const ca = await createTestCa({ trustDomain: A });
    writeFileSync(file, (await ca.issueLeaf()).certPem);
    const { code, out } = await verify(file);
    expect(code).toBe(1);
    expect(out).toMatch(/^refused: .*a\.example.* \[no-authority\]\n {2}→ /);
  });
});
