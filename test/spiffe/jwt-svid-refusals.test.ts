import { describe, expect, it } from 'vitest';
import {
  BundleSet,
  bundleOf,
  type BundleSource,
  JsonError,
  JwtSvidError,
  SpiffeIdError,
  verifyJwtSvid,
} from '../../src/spiffe/index.ts';
import { isSignedBy, jwtKeyRefusal } from '../../src/spiffe/svid/jws-signature.ts';
import { MAX_JWT_SVID_CHARACTERS } from '../../src/spiffe/svid/jwt-svid-token.ts';
import { createTokenKey, part, plainClaims, signToken, TEST_SECONDS } from '../../testkit/test-tokens.ts';
import { A, both, code, holding, key, options, withClaims, withHeader, without } from './jwt-verdict.ts';

const weak = createTokenKey('rsa-1024', 'weak');
const refusalOf = async (token: string, source: BundleSource = both): Promise<JwtSvidError> => {
  const outcome: unknown = await verifyJwtSvid(token, source, options).catch((error: unknown) => error);
  if (outcome instanceof JwtSvidError) return outcome;
  throw new TypeError('the token should have been refused');
};
const nobody = new BundleSet();
const emptied = new BundleSet([bundleOf(A, [])]);
const many = ['one', 'two', 'three', 'four', 'five', 'six'];

describe('verifyJwtSvid() refuses', () => {
  it.each<[string, string, string | RegExp, string | undefined, BundleSource?]>([
    ['token-algorithm', withHeader({ alg: 'none' }), /, not "none"$/, undefined],
    ['token-algorithm', signToken(key, { header: {} }), /, not missing$/, undefined],
    ['token-algorithm', withHeader({ alg: 7 }), /, not of another type$/, undefined],
    ['token-algorithm', withHeader({ alg: 'x'.repeat(99) }), /, not "x{60}"$/, undefined],
    ['token-type', withHeader({ typ: 'x' }), /not "x"$/, undefined],
    ['token-header-parameter', withHeader({ jku: 'x' }), /not "jku"$/, undefined],
    ['id-invalid', withClaims({ sub: 'x' }), /^the sub of the token is not a SPIFFE ID: /, undefined],
    ['id-without-path', withClaims({ sub: 'spiffe://a.example' }), /has none$/, 'spiffe://a.example'],
    ['no-bundle', signToken(key), /trust domain a\.example,/, 'spiffe://a.example/w', nobody],
    ['no-authority', signToken(key), /trust domain a\.example /, 'spiffe://a.example/w', emptied],
    ['key-unknown', withHeader({ kid: 'k9' }), /a\.example .* "k9"$/, 'spiffe://a.example/w'],
    [
      'key-unfit',
      signToken(key, { alg: 'ES256', header: { alg: 'RS256', kid: 'k1' } }),
      'the token is signed with RS256, which no JWT key "k1" of a.example is for',
      'spiffe://a.example/w',
    ],
    [
      'key-unfit',
      signToken(key, { alg: 'ES256', header: { alg: 'ES384' } }),
      'the token is signed with ES384, which no JWT key of trust domain a.example is for',
      'spiffe://a.example/w',
    ],
    [
      'key-refused',
      signToken(weak, { alg: 'RS256' }),
      'no JWT key "weak" of a.example may check signatures: an RSA key has at least 2048 bits, this one has 1024',
      'spiffe://a.example/w',
      holding(weak),
    ],
    [
      'signature-invalid',
      signToken(createTokenKey()),
      /^no JWT authority of trust domain a\.example .* spiffe:\/\/a\.example\/w$/,
      'spiffe://a.example/w',
    ],
    ['expiry-missing', without('exp'), /spiffe:\/\/a\.example\/w has none$/, 'spiffe://a.example/w'],
    [
      'token-expired',
      withClaims({ exp: TEST_SECONDS - 300 }),
      'the token of spiffe://a.example/w expired at 2030-01-01T11:55:00.000Z, now is 2030-01-01T12:00:00.000Z',
      'spiffe://a.example/w',
    ],
    ['token-expired', withClaims({ exp: 0 }), /expired at 1970-01-01T/, 'spiffe://a.example/w'],
    [
      'token-not-yet-valid',
      withClaims({ nbf: TEST_SECONDS + 120 }),
      /is valid from 2030-01-01T12:02:00.000Z on/,
      'spiffe://a.example/w',
    ],
    [
      'token-issued-in-future',
      withClaims({ iat: TEST_SECONDS + 120 }),
      /issued at 2030-01-01T12:02:00.000Z/,
      'spiffe://a.example/w',
    ],
    ['token-claims-malformed', withClaims({ exp: 'x' }), /^exp is a number/, 'spiffe://a.example/w'],
    ['token-claims-malformed', withClaims({ aud: 7 }), /^aud is a text/, 'spiffe://a.example/w'],
    ['audience-missing', without('aud'), /w has none$/, 'spiffe://a.example/w'],
    [
      'audience-mismatch',
      withClaims({ aud: many.slice(0, 5) }),
      'the token of spiffe://a.example/w is for "one", "two", "three", "four", "five", not for "info.b.example"',
      'spiffe://a.example/w',
    ],
    ['audience-mismatch', withClaims({ aud: many }), /"five" and others, not for/, 'spiffe://a.example/w'],
  ])('with %s and a sentence that says why', async (expected, token, sentence, claimedId, source) => {
    expect(await code(signToken(key))).toBe('accepted');
    const refusal = await refusalOf(token, source);
    expect(refusal.code).toBe(expected);
    expect(refusal.message).toMatch(sentence);
    expect([refusal.claimedId, refusal.trustDomain]).toEqual([claimedId, claimedId && 'a.example']);
  });

  it('and keeps the cause when a part of the token could not be read', async () => {
    const [header = '', claims = '', signature = ''] = signToken(key).split('.');
    expect((await refusalOf(`${part('{')}.${claims}.${signature}`)).cause).toBeInstanceOf(JsonError);
    expect((await refusalOf(`${header}.${part('{')}.${signature}`)).cause).toBeInstanceOf(JsonError);
    expect((await refusalOf(withClaims({ sub: 'x' }))).cause).toBeInstanceOf(SpiffeIdError);
    const twice = await refusalOf(`${part('{"alg":"ES256","alg":"ES256"}')}.${claims}.${signature}`);
    expect(twice.message).toMatch(/^the header of the token could not be read: .*"alg".*twice/);
    expect((await refusalOf(`${header}.${part('7')}.${signature}`)).message).toMatch(
      /^the claims of a token/,
    );
  });

  it('from the first character over the limit on', async () => {
    expect((await refusalOf('A'.repeat(MAX_JWT_SVID_CHARACTERS))).code).toBe('token-not-compact');
    expect((await refusalOf('A'.repeat(MAX_JWT_SVID_CHARACTERS + 1))).code).toBe('token-too-large');
  });
});

describe('isSignedBy()', () => {
  it('is false for a key that cannot check signatures, for any signature', async () => {
    expect(jwtKeyRefusal(key.authority)).toBeUndefined();
    expect(await isSignedBy(signToken(key), 'ES256', key.authority)).toBe(true);
    expect(jwtKeyRefusal(weak.authority)).toContain('2048');
    expect(await isSignedBy(signToken(weak, { alg: 'RS256' }), 'RS256', weak.authority)).toBe(false);
  });

  it('is false for a token whose header names another algorithm than the expected one', async () => {
    expect(await isSignedBy(signToken(key), 'RS256', key.authority)).toBe(false);
    expect(await isSignedBy(signToken(key), 'ES384', key.authority)).toBe(false);
  });
});

describe('a time of zero', () => {
  it('is a valid instant', async () => {
    expect(plainClaims()['nbf']).toBeUndefined();
    expect(await code(withClaims({ nbf: 0, iat: 0 }))).toBe('accepted');
  });
});
