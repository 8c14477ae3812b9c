import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { verifyJwtSvid } from '../../src/spiffe/index.ts';
import { MAX_KEYS_TRIED } from '../../src/spiffe/svid/jwt-svid.ts';
import { MAX_JWT_SVID_CHARACTERS } from '../../src/spiffe/svid/jwt-svid-token.ts';
import {
  createTokenKey,
  jwtAuthorityOf,
  part,
  plainClaims,
  signToken,
  type TokenKey,
  type TokenKeyKind,
} from '../../testkit/test-tokens.ts';
import { code, holding, key, options, rsa, withClaims, withHeader } from './jwt-verdict.ts';

describe('verifyJwtSvid() on the form of a token', () => {
  const token = signToken(key);
  const [header = '', claims = '', signature = ''] = token.split('.');

  it.each([
    ['flattened JSON serialization', JSON.stringify({ protected: header, payload: claims, signature })],
    [
      'general JSON serialization',
      JSON.stringify({ payload: claims, signatures: [{ protected: header, signature }] }),
    ],
    ['JWE, five parts', `${header}.${claims}.${signature}.${claims}.${signature}`],
    ['unsecured, without a signature', `${header}.${claims}.`],
    ['two parts', `${header}.${claims}`],
    ['four parts', `${token}.`],
    ['a detached payload', `${header}..${signature}`],
    ['no header', `.${claims}.${signature}`],
    ['nothing', ''],
    ['padding', `${header}=.${claims}.${signature}`],
    ['a line end', `${token}\n`],
    ['a leading blank', ` ${token}`],
    ['the standard alphabet', `${header}.${claims}.${signature.slice(0, -2)}+/`],
    ['Bearer', `Bearer ${token}`],
  ])('refuses all but compact serialization: %s (JWT-01)', async (_what, bad) => {
    expect(await code(token)).toBe('accepted');
    expect(await code(bad)).toBe('token-not-compact');
  });

  it('refuses a second spelling of the same bytes (JWT-01)', async () => {
    // 64 bytes leave four bits of the last character unused.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const other = alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1] ?? '';
    expect(Buffer.from(`${signature.slice(0, -1)}${other}`, 'base64url')).toEqual(
      Buffer.from(signature, 'base64url'),
    );
    expect(await code(token)).toBe('accepted');
    expect(await code(`${token.slice(0, -1)}${other}`)).toBe('token-not-compact');
  });

  it('bounds the length of a token', async () => {
    const filled = (length: number) => {
      const rest = withClaims({ x: '' }).length;
      return withClaims({ x: 'y'.repeat(Math.floor(((length - rest) * 3) / 4)) });
    };
    const long = filled(MAX_JWT_SVID_CHARACTERS);
    expect(long.length).toBeLessThanOrEqual(MAX_JWT_SVID_CHARACTERS);
    expect(long.length).toBeGreaterThan(MAX_JWT_SVID_CHARACTERS - 8);
    expect(await code(long)).toBe('accepted');
    expect(await code(filled(MAX_JWT_SVID_CHARACTERS + 8))).toBe('token-too-large');
  });
});

describe('verifyJwtSvid() on the header', () => {
  const kinds: readonly (readonly [string, TokenKeyKind])[] = [
    ['RS256', 'rsa-2048'],
    ['RS384', 'rsa-2048'],
    ['RS512', 'rsa-2048'],
    ['ES256', 'P-256'],
    ['ES384', 'P-384'],
    ['ES512', 'P-521'],
    ['PS256', 'rsa-2048'],
    ['PS384', 'rsa-2048'],
    ['PS512', 'rsa-2048'],
  ];

  it.each(kinds)('accepts %s with a key of kind %s (JWT-02)', async (alg, kind) => {
    const signer = createTokenKey(kind);
    const token = signToken(signer, { alg });
    const { algorithm } = await verifyJwtSvid(token, holding(signer), options);
    expect(algorithm).toBe(alg);
    // The same key under the same kid did not make it.
    expect(await code(token, holding(createTokenKey(kind)))).toBe('signature-invalid');
  });

  it.each([
    'none',
    'None',
    'HS256',
    'HS512',
    'EdDSA',
    'Ed25519',
    'ES256K',
    'rs256',
    'RS1',
    '',
    'toString',
  ])('refuses alg %j (JWT-02)', async (alg) => {
    expect(await code(withHeader({}))).toBe('accepted');
    expect(await code(withHeader({ alg }))).toBe('token-algorithm');
  });

  it('refuses an alg that is missing or no text, and one for which there is a key (JWT-02)', async () => {
    expect(await code(signToken(key, { header: { kid: 'k1' } }))).toBe('token-algorithm');
    for (const alg of [null, 256, ['ES256'], { ES256: 1 }])
      expect(await code(withHeader({ alg }))).toBe('token-algorithm');
    const ed = createTokenKey('ed25519');
    expect(await code(signToken(ed, { alg: 'EdDSA' }), holding(ed))).toBe('token-algorithm');
    // A bundle may hold such a key; it proves no token.
    expect(await code(signToken(key), holding(ed))).toBe('key-unfit');
  });

  it('refuses an unsecured token, and one keyed with the public key (JWT-02)', async () => {
    const { privateKey, authority } = rsa;
    expect(await code(signToken(rsa, { alg: 'RS256' }))).toBe('accepted');
    expect(await code(`${part({ alg: 'none' })}.${part(plainClaims())}.`)).toBe('token-algorithm');
    const publicKey = createPublicKey(privateKey);
    for (const secret of [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(authority.jwk),
    ]) {
      const input = `${part({ alg: 'HS256', kid: 'rsa' })}.${part(plainClaims())}`;
      const mac = createHmac('sha256', secret).update(input).digest('base64url');
      expect(await code(`${input}.${mac}`)).toBe('token-algorithm');
    }
  });

  it('looks at alg before everything else a token says (JWT-02)', async () => {
    const bad = { alg: 'none', typ: 'x', kid: 7, jwk: {} };
    expect(await code(`${part(bad)}.${part('no claims')}.`)).toBe('token-algorithm');
  });

  it('refuses an alg that does not fit the key found (JWT-03)', async () => {
    const [p384, p521] = [createTokenKey('P-384'), createTokenKey('P-521')];
    expect(await code(signToken(p384, { alg: 'ES384' }), holding(p384))).toBe('accepted');
    const unfit: readonly (readonly [string, TokenKey, string])[] = [
      ['RS256', key, 'ES256'],
      ['PS256', key, 'ES256'],
      ['ES384', key, 'ES384'],
      ['ES256', p384, 'ES256'],
      ['ES256', p521, 'ES512'],
      ['ES256', rsa, 'RS256'],
    ];
    for (const [claimed, signer, made] of unfit) {
      const header = { alg: claimed, kid: signer.authority.keyId };
      expect(await code(signToken(signer, { alg: made, header }), holding(signer))).toBe('key-unfit');
      expect(await code(signToken(signer, { alg: made, header: { alg: claimed } }), holding(signer))).toBe(
        'key-unfit',
      );
    }
    // The kinds of RSA signatures are told apart too, though the key goes with both.
    const pss = signToken(rsa, { alg: 'PS256', header: { alg: 'RS256', kid: 'rsa' } });
    expect(await code(pss)).toBe('signature-invalid');
  });

  it('tries all fitting keys of the trust domain without kid (JWT-04)', async () => {
    const header = { alg: 'ES256' };
    expect(await code(signToken(key, { header }), holding(rsa, createTokenKey('P-256', 'k0'), key))).toBe(
      'accepted',
    );
    expect(await code(signToken(key, { header }), holding(rsa, createTokenKey('P-256', 'k0')))).toBe(
      'signature-invalid',
    );
  });

  it('takes the key of the kid alone, and refuses an unknown kid (JWT-04)', async () => {
    expect(await code(withHeader({ kid: 'k1' }))).toBe('accepted');
    for (const kid of ['k2', 'K1', 'k1 ', '__proto__'])
      expect(await code(withHeader({ kid }))).toBe('key-unknown');
    const other = createTokenKey('P-256', 'k2');
    expect(await code(withHeader({ kid: 'k2' }), holding(key, other))).toBe('signature-invalid');
  });

  it('refuses a kid that is not text of a bounded length (JWT-04)', async () => {
    const long = 'k'.repeat(1024);
    const signer = createTokenKey('P-256', long);
    expect(await code(signToken(signer), holding(signer))).toBe('accepted');
    for (const kid of ['', null, 1, ['k1'], `${long}k`])
      expect(await code(withHeader({ kid }))).toBe('token-key-id');
  });

  it('tries both keys that share a kid (TDB-35)', async () => {
    const other = createTokenKey('P-256', 'k1');
    for (const signer of [key, other])
      expect(await code(signToken(signer), holding(key, other))).toBe('accepted');
    expect(await code(signToken(createTokenKey('P-256', 'k1')), holding(key, other))).toBe(
      'signature-invalid',
    );
  });

  it('bounds how many keys are tried', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const others = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ authority: jwtAuthorityOf(publicKey, `o${at}`) }));
    const token = signToken(key, { header: { alg: 'ES256' } });
    expect(await code(token, holding(...others(MAX_KEYS_TRIED - 1), key))).toBe('accepted');
    expect(await code(token, holding(...others(MAX_KEYS_TRIED), key))).toBe('too-many-keys');
    expect(await code(withHeader({ kid: 'k1' }), holding(...others(MAX_KEYS_TRIED), key))).toBe('accepted');
  });

  it('takes typ JWT, JOSE or none, and no other, least of all that of another kind of SVID (JWT-05, ID-21)', async () => {
    for (const typ of ['JWT', 'JOSE', undefined]) expect(await code(withHeader({ typ }))).toBe('accepted');
    for (const typ of ['jwt', 'jose', 'at+jwt', 'wit+jwt', 'application/jwt', '', null, 1, ['JWT']])
      expect(await code(withHeader({ typ }))).toBe('token-type');
  });

  it('obeys no key that the token brings (JWT-07)', async () => {
    const mine = createTokenKey('P-256', 'k1');
    const jwk = mine.authority.jwk;
    expect(await code(signToken(mine), holding(mine))).toBe('accepted');
    for (const header of [
      { jwk },
      { jku: 'https://a.example/keys' },
      { x5u: 'https://a.example/chain' },
      { x5c: ['AAAA'] },
      { x5t: 'AAAA' },
    ])
      expect(await code(signToken(mine, { header: { alg: 'ES256', kid: 'k1', ...header } }))).toBe(
        'token-header-parameter',
      );
    expect(await code(signToken(mine))).toBe('signature-invalid');
  });

  it.each([
    { crit: ['exp'], exp: 1 },
    { crit: [] },
    { b64: false },
    { b64: true },
    { cty: 'JWT' },
    { zip: 'DEF' },
    { enc: 'A128GCM' },
    { x: 1 },
    { Kid: 'k1' },
    { '': '' },
  ])('refuses any other header, %j (JWT-07)', async (more) => {
    expect(await code(withHeader({}))).toBe('accepted');
    expect(await code(withHeader(more))).toBe('token-header-parameter');
  });

  it.each([
    ['alg', '{"alg":"ES256","kid":"k1","alg":"ES256"}'],
    ['alg, escaped', '{"alg":"ES256","kid":"k1","\\u0061lg":"none"}'],
    ['kid', '{"alg":"ES256","kid":"k1","kid":"k1"}'],
  ])('refuses a header with a duplicate %s', async (_what, header) => {
    expect(await code(signToken(key, { header: '{"alg":"ES256","kid":"k1"}' }))).toBe('accepted');
    expect(await code(signToken(key, { header }))).toBe('token-header-malformed');
  });

  it.each([
    '[]',
    '"x"',
    'null',
    '{',
    '{"alg":"ES256"}{}',
    '\ufeff{"alg":"ES256"}',
  ])('refuses a header that is not JSON object, %j', async (header) => {
    expect(await code(signToken(key, { header: ' {"alg":"ES256"}\n' }))).toBe('accepted');
    expect(await code(signToken(key, { header }))).toBe('token-header-malformed');
  });
});
