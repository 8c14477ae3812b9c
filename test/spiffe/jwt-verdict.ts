import {
  BundleSet,
  bundleOf,
  type BundleSource,
  type JwtAuthority,
  JwtSvidError,
  type JwtSvidOptions,
  parseTrustDomain,
  verifyJwtSvid,
} from '../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { createTokenKey, plainClaims, signToken } from '../../testkit/test-tokens.ts';

export const A = parseTrustDomain('a.example');
export const B = parseTrustDomain('b.example');
/** The keys of `a.example`, whose bundle is `both`. */
export const key = createTokenKey();
export const rsa = createTokenKey('rsa-2048', 'rsa');
export const options: JwtSvidOptions = { now: TEST_INSTANT, audiences: ['info.b.example'] };

/** A source of one bundle, of `a.example`, with these keys. */
export const holding = (...keys: readonly { readonly authority: JwtAuthority }[]) =>
  new BundleSet([bundleOf(A, [], { jwtAuthorities: keys.map(({ authority }) => authority) })]);
export const both = holding(key, rsa);
/** The code a token is refused with, or `accepted`. */
export const code = async (
  token: string,
  source: BundleSource = both,
  more: Partial<JwtSvidOptions> = {},
) => {
  try {
    await verifyJwtSvid(token, source, { ...options, ...more });
    return 'accepted';
  } catch (error) {
    // Nothing else may ever be thrown for what a token says.
    if (error instanceof JwtSvidError) return error.code;
    throw error;
  }
};
/** A good token with another header. */
export const withHeader = (header: Readonly<Record<string, unknown>>) =>
  signToken(key, { header: { alg: 'ES256', kid: 'k1', ...header } });
/** A good token with some claims replaced or added. */
export const withClaims = (claims: Readonly<Record<string, unknown>>) =>
  signToken(key, { claims: { ...plainClaims(), ...claims } });
/** A good token without one claim. */
export const without = (claim: string) =>
  signToken(key, {
    claims: Object.fromEntries(Object.entries(plainClaims()).filter(([name]) => name !== claim)),
  });
