import { describe, expect, it } from 'vitest';
import { verifyJwtSvid } from '../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { plainClaims, signToken, TEST_SECONDS } from '../../testkit/test-tokens.ts';
import { both, code, key, options, withClaims, without } from './jwt-verdict.ts';

describe('verifyJwtSvid() on the claims', () => {
  it.each([
    ['exp', `"exp":${TEST_SECONDS + 300}`],
    ['sub', '"sub":"spiffe://a.example/v"'],
    ['sub, escaped', '"s\\u0075b":"spiffe://a.example/v"'],
    ['aud', '"aud":"info.b.example"'],
    ['any', '"x":{"y":1,"y":1}'],
  ])('refuses a duplicate member: %s', async (_what, member) => {
    const plain = JSON.stringify(plainClaims());
    expect(await code(signToken(key, { claims: plain }))).toBe('accepted');
    expect(await code(signToken(key, { claims: `${plain.slice(0, -1)},${member}}` }))).toBe(
      'token-claims-malformed',
    );
  });

  it.each([
    '[]',
    '"x"',
    'null',
    'x',
    '{"sub":1',
    `${'{"x":'.repeat(17)}1${'}'.repeat(17)}`,
  ])('refuses claims that are no JSON object of bounded depth, %j', async (claims) => {
    expect(await code(signToken(key, { claims: JSON.stringify(plainClaims()) }))).toBe('accepted');
    expect(await code(signToken(key, { claims }))).toBe('token-claims-malformed');
  });

  it.each([
    '',
    'w',
    'https://a.example/w',
    'SPIFFE://a.example/w',
    'spiffe://A.example/w',
    'spiffe://a.example/w/',
    'spiffe://a.example/../w',
    'spiffe://a.example/w?x',
    'spiffe://a.example:443/w',
    'spiffe://a.example/w\n',
    ' spiffe://a.example/w',
    null,
    7,
    ['spiffe://a.example/w'],
  ])('refuses %j as sub (JWT-08, ID-16, ID-17)', async (sub) => {
    expect(await code(withClaims({ sub: 'spiffe://a.example/w' }))).toBe('accepted');
    expect(await code(withClaims({ sub }))).toBe('id-invalid');
  });

  it('refuses a token without sub, and takes the longest there is (JWT-08, ID-09)', async () => {
    expect(await code(without('sub'))).toBe('id-invalid');
    const long = `spiffe://a.example/${'w'.repeat(2048 - 'spiffe://a.example/'.length)}`;
    expect(await code(withClaims({ sub: long }))).toBe('accepted');
    expect(await code(withClaims({ sub: `${long}w` }))).toBe('id-invalid');
  });

  it('refuses a sub without a path (JWT-09)', async () => {
    expect(await code(withClaims({ sub: 'spiffe://a.example/w' }))).toBe('accepted');
    expect(await code(withClaims({ sub: 'spiffe://a.example' }))).toBe('id-without-path');
  });

  it('wants the audience asked for among those of the token, compared exactly (JWT-10)', async () => {
    const here = 'info.b.example';
    for (const aud of [here, [here], ['x', here], [here, here]])
      expect(await code(withClaims({ aud }))).toBe('accepted');
    for (const aud of [
      'x',
      '',
      `${here}/`,
      here.toUpperCase(),
      ` ${here}`,
      ['x', `${here}.`],
      [['x'].join()],
    ])
      expect(await code(withClaims({ aud }))).toBe('audience-mismatch');
    for (const aud of [null, 7, { [here]: 1 }, [here, 7], [[here]], [here, null]])
      expect(await code(withClaims({ aud }))).toBe('token-claims-malformed');
    expect(await code(withClaims({ aud: [] }))).toBe('audience-missing');
    expect(await code(without('aud'))).toBe('audience-missing');
  });

  it('takes a token for any one of the own audiences (JWT-10)', async () => {
    const token = withClaims({ aud: ['two', 'three'] });
    expect(await code(token, both, { audiences: ['one', 'two'] })).toBe('accepted');
    expect(await code(token, both, { audiences: ['one', 'four'] })).toBe('audience-mismatch');
  });

  it('takes an empty list of own audiences for a mistake of the caller (JWT-11)', async () => {
    const token = withClaims({ aud: ['', 'x'] });
    expect(await code(token, both, { audiences: ['x'] })).toBe('accepted');
    for (const audiences of [[], [''], ['x', '']])
      await expect(verifyJwtSvid(token, both, { ...options, audiences })).rejects.toThrow(TypeError);
  });

  it('refuses a token without exp, or with one that is not an instant (JWT-13)', async () => {
    for (const exp of [TEST_SECONDS + 300, TEST_SECONDS + 0.5, 253_402_300_799])
      expect(await code(withClaims({ exp }))).toBe('accepted');
    expect(await code(without('exp'))).toBe('expiry-missing');
    for (const exp of [
      `${TEST_SECONDS + 300}`,
      null,
      true,
      [TEST_SECONDS + 300],
      {},
      -1,
      1e300,
      253_402_300_800,
    ])
      expect(await code(withClaims({ exp }))).toBe('token-claims-malformed');
    const huge = JSON.stringify(plainClaims()).replace(/"exp":\d+/, '"exp":1e999');
    expect(await code(signToken(key, { claims: huge }))).toBe('token-claims-malformed');
  });

  it('refuses a token from its exp on, with a leeway of at most a minute (JWT-13)', async () => {
    const token = withClaims({ exp: TEST_SECONDS });
    const at = (ms: number, leewaySeconds: number) =>
      code(token, both, { now: new Date(TEST_INSTANT.getTime() + ms), leewaySeconds });
    expect(await at(-1, 0)).toBe('accepted');
    expect(await at(0, 0)).toBe('token-expired');
    expect(await at(9_999, 10)).toBe('accepted');
    expect(await at(10_000, 10)).toBe('token-expired');
    expect(await at(59_999, 60)).toBe('accepted');
    expect(await at(60_000, 60)).toBe('token-expired');
    expect(await code(token, both, { now: new Date(TEST_INSTANT.getTime() + 59_999) })).toBe('accepted');
    expect(await code(withClaims({ exp: TEST_SECONDS - 300 }))).toBe('token-expired');
    for (const leewaySeconds of [60.001, 3600, -1, Number.NaN, Number.POSITIVE_INFINITY])
      await expect(verifyJwtSvid(token, both, { ...options, leewaySeconds })).rejects.toThrow(RangeError);
    const now = new Date(Number.NaN);
    await expect(verifyJwtSvid(token, both, { ...options, now })).rejects.toThrow(RangeError);
  });

  it('refuses nbf and iat in the future, with the same leeway (JWT-14)', async () => {
    for (const [claim, refusal] of [
      ['nbf', 'token-not-yet-valid'],
      ['iat', 'token-issued-in-future'],
    ] as const) {
      const token = withClaims({ [claim]: TEST_SECONDS + 60, exp: TEST_SECONDS + 900 });
      const at = (ms: number, leewaySeconds: number) =>
        code(token, both, { now: new Date(TEST_INSTANT.getTime() + ms), leewaySeconds });
      expect(await at(60_000, 0)).toBe('accepted');
      expect(await at(59_999, 0)).toBe(refusal);
      expect(await at(0, 60)).toBe('accepted');
      expect(await at(-1, 60)).toBe(refusal);
      expect(await code(withClaims({ [claim]: TEST_SECONDS + 300, exp: TEST_SECONDS + 900 }))).toBe(refusal);
      expect(await code(without(claim))).toBe('accepted');
      for (const value of ['0', null, -1, 1e300])
        expect(await code(withClaims({ [claim]: value }))).toBe('token-claims-malformed');
    }
  });
});
