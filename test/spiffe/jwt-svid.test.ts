import fc from 'fast-check';
import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  BundleSet,
  bundleOf,
  CodedError,
  contentDigest,
  JwtSvidError,
  parseBundle,
  verifyJwtSvid,
} from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import {
  createTokenKey,
  jwtAuthorityOf,
  part,
  plainClaims,
  signToken,
  TEST_SECONDS,
  type TokenKey,
} from '../../testkit/test-tokens.ts';
import { A, B, both, code, holding, key, options, rsa, withClaims } from './jwt-verdict.ts';

describe('verifyJwtSvid()', () => {
  it('returns what was proven, by which key of which bundle, for whom and until when', async () => {
    const source = holding(rsa, key);
    const claims = { ...plainClaims(), aud: ['x', 'info.b.example'], nbf: TEST_SECONDS - 1.5, role: 'r' };
    const svid = await verifyJwtSvid(signToken(key, { claims }), source, options);
    expect(svid).toMatchObject({
      id: 'spiffe://a.example/w',
      trustDomain: 'a.example',
      audiences: ['x', 'info.b.example'],
      algorithm: 'ES256',
      expiresAt: new Date('2030-01-01T12:05:00Z'),
      notBefore: new Date('2030-01-01T11:59:58.500Z'),
      issuedAt: new Date('2030-01-01T11:30:00Z'),
    });
    expect(svid.authority).toBe(key.authority);
    expect(svid.bundleDigest).toBe(contentDigest(bundleOf(A, [], source.bundleFor(A))));
    expect(svid.claims.get('role')).toBe('r');
  });

  it('lets other claims be, which mean something in their trust domain only (JWT-17, ID-23)', async () => {
    expect(await code(withClaims({ iss: 'https://x', jti: 'j', groups: ['admin'], a: { b: [1] } }))).toBe(
      'accepted',
    );
    // The same token again: jti is not remembered.
    const token = withClaims({ jti: 'j' });
    expect([await code(token), await code(token)]).toEqual(['accepted', 'accepted']);
  });
});

describe('verifyJwtSvid() on the bundles', () => {
  it('takes the authorities of the trust domain in sub and no others (JWT-15, X509-20, TDB-40)', async () => {
    const [keyOfA, keyOfB] = [createTokenKey('P-256', 'same'), createTokenKey('P-256', 'same')];
    const source = new BundleSet([
      bundleOf(A, [], { jwtAuthorities: [keyOfA.authority] }),
      bundleOf(B, [], { jwtAuthorities: [keyOfB.authority] }),
    ]);
    const token = (signer: TokenKey, sub: string, header?: Readonly<Record<string, unknown>>) =>
      signToken(signer, { claims: plainClaims(sub), ...(header ? { header } : {}) });
    expect(await code(token(keyOfA, 'spiffe://a.example/w'), source)).toBe('accepted');
    expect(await code(token(keyOfB, 'spiffe://b.example/w'), source)).toBe('accepted');
    // With equal key IDs, without any, and with a key ID that only the forger's bundle has.
    expect(await code(token(keyOfB, 'spiffe://a.example/w'), source)).toBe('signature-invalid');
    expect(await code(token(keyOfA, 'spiffe://b.example/w'), source)).toBe('signature-invalid');
    expect(await code(token(keyOfB, 'spiffe://a.example/w', { alg: 'ES256' }), source)).toBe(
      'signature-invalid',
    );
    const onlyB = createTokenKey('P-256', 'only-b');
    source.set(bundleOf(B, [], { jwtAuthorities: [onlyB.authority] }));
    expect(await code(token(onlyB, 'spiffe://b.example/w'), source)).toBe('accepted');
    expect(await code(token(onlyB, 'spiffe://a.example/w'), source)).toBe('key-unknown');
  });

  it('says which trust domain has no bundle (JWT-15)', async () => {
    expect(await code(signToken(key))).toBe('accepted');
    const verdict = verifyJwtSvid(signToken(key), new BundleSet([bundleOf(B, [])]), options);
    await expect(verdict).rejects.toMatchObject({
      code: 'no-bundle',
      message: expect.stringContaining('trust domain a.example,'),
      claimedId: 'spiffe://a.example/w',
      trustDomain: 'a.example',
    });
  });

  it('takes an answer for another trust domain for a mistake of the source (JWT-15)', async () => {
    const bundle = bundleOf(B, [], { jwtAuthorities: [key.authority] });
    await expect(verifyJwtSvid(signToken(key), { bundleFor: () => bundle }, options)).rejects.toThrow(
      TypeError,
    );
  });

  it('ends with the key: what is no longer in the bundle proves nothing (TDB-04, TDB-41)', async () => {
    const source = holding(key);
    expect(await code(signToken(key), source)).toBe('accepted');
    source.set(bundleOf(A, [], { jwtAuthorities: [rsa.authority] }));
    expect(await code(signToken(key), source)).toBe('key-unknown');
    source.set(bundleOf(A, []));
    expect(await code(signToken(key), source)).toBe('no-authority');
  });

  it('takes no key of an X.509 authority (JWT-16, TDB-31, TDB-32)', async () => {
    const ca = await createTestCa({ trustDomain: A });
    const signer = { privateKey: ca.key, authority: jwtAuthorityOf(createPublicKey(ca.key), 'k1') };
    const token = signToken(signer);
    expect(await code(token, holding(signer))).toBe('accepted');
    expect(await code(token, new BundleSet([ca.bundle()]))).toBe('no-authority');
    const mixed = bundleOf(A, [ca.authority], { jwtAuthorities: [key.authority] });
    expect(await code(token, new BundleSet([mixed]))).toBe('signature-invalid');
    expect(await code(signToken(signer, { header: { alg: 'ES256' } }), new BundleSet([mixed]))).toBe(
      'signature-invalid',
    );
  });

  it('takes entries with use jwt-svid of a bundle document, and no others (JWT-16, TDB-17)', async () => {
    const source = (entry: Readonly<Record<string, unknown>>) => {
      const document = JSON.stringify({ keys: [{ ...key.authority.jwk, kid: 'k1', ...entry }] });
      return new BundleSet([parseBundle(A, Buffer.from(document)).bundle]);
    };
    expect(await code(signToken(key), source({ use: 'jwt-svid' }))).toBe('accepted');
    for (const use of ['x509-svid', 'wit-svid', 'sig', 'JWT-SVID', undefined])
      expect(await code(signToken(key), source({ use }))).toBe('no-authority');
  });

  it('checks with no key under the floor for certificates (X509-36, RFC 7518 §3.3)', async () => {
    const weak = createTokenKey('rsa-1024', 'weak');
    const token = signToken(weak, { alg: 'RS256' });
    expect(await code(signToken(rsa, { alg: 'RS256' }), holding(rsa, weak))).toBe('accepted');
    expect(await code(token, holding(rsa, weak))).toBe('key-refused');
    // Without kid it is passed over for those that may.
    expect(await code(signToken(rsa, { alg: 'RS256', header: { alg: 'RS256' } }), holding(weak, rsa))).toBe(
      'accepted',
    );
    expect(await code(signToken(weak, { alg: 'RS256', header: { alg: 'RS256' } }), holding(weak, rsa))).toBe(
      'signature-invalid',
    );
    const low = { keyId: 'low', jwk: { ...rsa.authority.jwk, e: 'AQ' } };
    const named = signToken(rsa, { alg: 'RS256', header: { alg: 'RS256', kid: 'low' } });
    expect(await code(named, holding({ authority: low }))).toBe('key-refused');
  });

  it.each([
    ['an even modulus', `ff${'00'.repeat(255)}`, '03'],
    ['ones only', 'ff'.repeat(256), '010001'],
    ['the largest that is checked', `${'ff'.repeat(2047)}01`, 'ffffffffffffffff'],
  ])('proves nothing with numbers that make no sensible key: %s', async (_what, n, e) => {
    const [modulus, exponent] = [n, e].map((hex) => Buffer.from(hex, 'hex').toString('base64url'));
    const odd = { keyId: 'rsa', jwk: { kty: 'RSA', n: modulus ?? '', e: exponent ?? '' } };
    for (const alg of ['RS256', 'PS512']) {
      expect(await code(signToken(rsa, { alg }), holding(rsa))).toBe('accepted');
      expect(await code(signToken(rsa, { alg }), holding({ authority: odd }))).toBe('signature-invalid');
    }
  });

  it('is not troubled by an authority that is not a key', async () => {
    const none = { keyId: 'k1', jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } };
    expect(await code(signToken(key), holding(key, { authority: none }))).toBe('accepted');
    expect(await code(signToken(key), holding({ authority: none }))).toBe('key-refused');
  });
});

describe('verifyJwtSvid() on anything', () => {
  it('accepts no token of which one character was changed, removed or added', async () => {
    const token = signToken(key);
    expect(await code(token)).toBe('accepted');
    const alphabet = fc.constantFrom(
      ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n'.split(''),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.nat(token.length - 1),
        alphabet,
        fc.constantFrom(0, 1),
        fc.constantFrom(0, 1),
        async (at, character, taken, given) => {
          const changed = token.slice(0, at) + character.repeat(given) + token.slice(at + taken);
          fc.pre(changed !== token);
          expect(await code(changed)).not.toBe('accepted');
        },
      ),
      { numRuns: 400 },
    );
  });

  it('accepts no token of which the claims or the header were rewritten', async () => {
    const token = signToken(key);
    const [header = '', , signature = ''] = token.split('.');
    const claim = fc.record(
      {
        sub: fc.constantFrom('spiffe://a.example/w', 'spiffe://a.example/v', 'spiffe://b.example/w'),
        aud: fc.constantFrom('info.b.example', ['info.b.example', 'x']),
        exp: fc.integer({ min: TEST_SECONDS + 1, max: TEST_SECONDS + 10_000 }),
        iat: fc.integer({ min: 0, max: TEST_SECONDS }),
        more: fc.jsonValue(),
      },
      { requiredKeys: ['sub', 'aud', 'exp'] },
    );
    const head = fc.record(
      {
        alg: fc.constantFrom('ES256', 'RS256', 'PS256', 'none', 'HS256'),
        kid: fc.constantFrom('k1', 'rsa', 'x'),
        typ: fc.constantFrom('JWT', 'JOSE', 'jwt'),
      },
      { requiredKeys: ['alg'] },
    );
    await fc.assert(
      fc.asyncProperty(claim, head, fc.boolean(), async (claims, rewritten, keepHeader) => {
        const changed = `${keepHeader ? header : part(rewritten)}.${part(claims)}.${signature}`;
        fc.pre(changed !== token);
        expect(await code(changed)).not.toBe('accepted');
      }),
      { numRuns: 300 },
    );
  });

  it('throws nothing but coded errors, which do not hold the token', async () => {
    const odd = fc.oneof(
      fc.string(),
      fc.tuple(fc.json(), fc.json(), fc.string()).map((parts) => parts.map(part).join('.')),
      fc
        .tuple(
          fc.constantFrom<Record<string, unknown>>(
            { alg: 'ES256' },
            { alg: 'ES256', kid: 'k1' },
            { alg: 'RS256' },
          ),
          fc.json(),
          fc.uint8Array({ maxLength: 300 }),
        )
        .map(
          ([header, claims, bytes]) =>
            `${part(header)}.${part(claims)}.${Buffer.from(bytes).toString('base64url')}`,
        ),
      fc
        .tuple(
          fc.dictionary(fc.constantFrom('sub', 'aud', 'exp', 'nbf', 'iat'), fc.jsonValue()),
          fc.boolean(),
        )
        .map(([claims, whole]) =>
          signToken(key, { claims: whole ? { ...plainClaims(), ...claims } : claims }),
        ),
    );
    await fc.assert(
      fc.asyncProperty(odd, async (token) => {
        const outcome = await verifyJwtSvid(token, both, options).catch((error: unknown) => error);
        if (!(outcome instanceof Error)) return;
        expect(outcome).toBeInstanceOf(JwtSvidError);
        for (let cause: unknown = outcome; cause instanceof Error; cause = cause.cause) {
          expect(cause).toBeInstanceOf(CodedError);
          const { message } = cause;
          const sections = token.split('.').filter(({ length }) => length > 20);
          expect(sections.filter((section) => message.includes(section))).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
  });
});
