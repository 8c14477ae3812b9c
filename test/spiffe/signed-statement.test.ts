import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  BundleSet,
  JsonNumber,
  type StatementSigner,
  signStatement,
  verifyStatement,
} from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';

const A = await createTestCa({ trustDomain: 'a.example' });
const B = await createTestCa({ trustDomain: 'b.example' });
const bundles = new BundleSet([A.bundle(), B.bundle()]);
const TYPE = 'federate-test+jws';

type Leaf = Awaited<ReturnType<typeof A.issueLeaf>>;
const signerOf = (leaf: Leaf): StatementSigner => ({
  id: leaf.id,
  certificateChain: leaf.chain,
  privateKey: leaf.key,
});
const leaf = await A.issueLeaf({ path: '/agent' });
const seconds = (count: number) => new Date(TEST_INSTANT.getTime() + count * 1000);

const request = {
  type: TYPE,
  signer: signerOf(leaf),
  audience: 'b.example',
  issuedAt: TEST_INSTANT,
  expiresAt: seconds(300),
  claims: { sequence: 7 },
} as const;
const options = { type: TYPE, audience: 'b.example', bundles, now: TEST_INSTANT } as const;

/** A token with any header and claims, with a valid signature of `leaf`. */
function forge(header: unknown, claims: unknown, key = leaf.key): string {
  const part = (value: unknown) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value), 'utf8').toString('base64url');
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const x5c = leaf.chain.map((der) => Buffer.from(der).toString('base64'));
const plainHeader = { alg: 'ES256', typ: TYPE, x5c };
const at = TEST_INSTANT.getTime() / 1000;
const plainClaims = { iss: leaf.id, aud: 'b.example', iat: at, exp: at + 300 };

describe('verifyStatement()', () => {
  it('proves the signer, the claims, and the times', async () => {
    const statement = await verifyStatement(await signStatement(request), options);
    expect(statement.signer).toMatchObject({ id: leaf.id, trustDomain: 'a.example' });
    expect(statement).toMatchObject({ issuedAt: TEST_INSTANT, expiresAt: seconds(300) });
    expect(statement.claims.get('sequence')).toEqual(new JsonNumber('7'));
  });

  it.each([
    'P-256',
    'P-384',
    'RSA-2048',
  ] as const)('accepts the key of an SVID that is %s', async (keyKind) => {
    const other = await A.issueLeaf({ keyKind });
    const token = await signStatement({ ...request, signer: signerOf(other) });
    expect((await verifyStatement(token, options)).signer.id).toBe(other.id);
  });

  it('accepts a chain with an intermediate', async () => {
    const below = await (await A.issueIntermediate()).issueLeaf();
    const token = await signStatement({ ...request, signer: signerOf(below) });
    expect((await verifyStatement(token, options)).signer.id).toBe(below.id);
  });

  it('asks only the bundle of the signer’s own trust domain', async () => {
    const stranger = await (await createTestCa({ trustDomain: 'a.example' })).issueLeaf();
    const token = await signStatement({ ...request, signer: signerOf(stranger) });
    await expect(verifyStatement(token, options)).rejects.toMatchObject({
      code: 'signer-refused',
      claimedId: stranger.id,
    });
    // B's root signs an identity of A: only A's bundle may prove it.
    const taken = await B.issueLeaf({ uriSans: ['spiffe://a.example/agent'] });
    const forged = await signStatement({ ...request, signer: { ...signerOf(taken), id: leaf.id } });
    await expect(verifyStatement(forged, options)).rejects.toMatchObject({ code: 'signer-refused' });
  });

  it('refuses a signature that another key made', async () => {
    expect((await verifyStatement(forge(plainHeader, plainClaims), options)).signer.id).toBe(leaf.id);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const token = forge(
      plainHeader,
      plainClaims,
      createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    );
    await expect(verifyStatement(token, options)).rejects.toMatchObject({ code: 'signature-invalid' });
  });

  it.each([
    [
      'another algorithm than the key’s',
      { ...plainHeader, alg: 'ES384' },
      plainClaims,
      'statement-algorithm',
    ],
    ['no algorithm', { ...plainHeader, alg: 'none' }, plainClaims, 'statement-algorithm'],
    ['a symmetric algorithm', { ...plainHeader, alg: 'HS256' }, plainClaims, 'statement-algorithm'],
    ['another kind', { ...plainHeader, typ: 'federate-other+jws' }, plainClaims, 'statement-type'],
    ['no kind', { alg: 'ES256', x5c }, plainClaims, 'statement-type'],
    ['crit', { ...plainHeader, crit: ['b64'], b64: false }, plainClaims, 'statement-malformed'],
    ['a key of its own', { ...plainHeader, jwk: {} }, plainClaims, 'statement-malformed'],
    ['no certificate', { ...plainHeader, x5c: [] }, plainClaims, 'statement-malformed'],
    ['nine certificates', { ...plainHeader, x5c: Array(9).fill(x5c[0]) }, plainClaims, 'statement-malformed'],
    ['a certificate that is not base64', { ...plainHeader, x5c: ['-'] }, plainClaims, 'statement-malformed'],
    ['a certificate that is none', { ...plainHeader, x5c: ['AAAA'] }, plainClaims, 'signer-refused'],
    ['a header that is no object', '[]', plainClaims, 'statement-malformed'],
    ['claims twice', plainHeader, '{"iss":"a","iss":"b"}', 'statement-malformed'],
    ['another issuer', plainHeader, { ...plainClaims, iss: 'spiffe://a.example/other' }, 'issuer-mismatch'],
    ['no issuer', plainHeader, { ...plainClaims, iss: undefined }, 'issuer-mismatch'],
    ['another audience', plainHeader, { ...plainClaims, aud: 'c.example' }, 'audience-mismatch'],
    ['a list of audiences', plainHeader, { ...plainClaims, aud: ['b.example'] }, 'audience-mismatch'],
    ['no end', plainHeader, { ...plainClaims, exp: undefined }, 'statement-malformed'],
    [
      'an end that is not a whole number',
      plainHeader,
      { ...plainClaims, exp: at + 0.5 },
      'statement-malformed',
    ],
    [
      'an end past the year 9999',
      plainHeader,
      { ...plainClaims, exp: 253_402_300_800 },
      'statement-malformed',
    ],
    [
      'an end before its beginning',
      plainHeader,
      { ...plainClaims, exp: at - 1 },
      'statement-from-the-future',
    ],
  ])('refuses a statement with %s', async (_, header, claims, code) => {
    await expect(verifyStatement(forge(header, claims), options)).rejects.toMatchObject({ code });
  });

  it.each([
    ['', 'statement-malformed'],
    ['a.b', 'statement-malformed'],
    ['e30.e30.', 'statement-malformed'],
    ['e30=.e30.AA', 'statement-malformed'],
    ['x'.repeat(16_385), 'statement-too-large'],
  ])('refuses %j as no statement', async (token, code) => {
    await expect(verifyStatement(token, options)).rejects.toMatchObject({ code });
  });

  it('allows a minute of leeway for clocks in both directions', async () => {
    const token = await signStatement(request);
    const verdictAt = (instant: Date) => verifyStatement(token, { ...options, now: instant });
    await expect(verdictAt(seconds(-60))).resolves.toBeDefined();
    await expect(verdictAt(seconds(-61))).rejects.toMatchObject({ code: 'statement-from-the-future' });
    await expect(verdictAt(seconds(359))).resolves.toBeDefined();
    await expect(verdictAt(seconds(360))).rejects.toMatchObject({ code: 'statement-expired' });
    await expect(verdictAt(new Date(Number.NaN))).rejects.toThrow(RangeError);
  });

  it('reads no more than a caller allows', async () => {
    const token = await signStatement({ ...request, claims: { text: 'x'.repeat(20_000) } });
    await expect(verifyStatement(token, options)).rejects.toMatchObject({ code: 'statement-too-large' });
    await expect(verifyStatement(token, { ...options, maxCharacters: 40_000 })).resolves.toBeDefined();
  });
});

describe('signStatement()', () => {
  it('refuses a caller that sets the claims that bind a statement', async () => {
    await expect(signStatement({ ...request, claims: { exp: 1 } })).rejects.toThrow(TypeError);
  });

  it('refuses a key that fits no JWS algorithm', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    const signer = { ...request.signer, privateKey };
    await expect(signStatement({ ...request, signer })).rejects.toMatchObject({
      code: 'statement-algorithm',
    });
  });
});
