import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { JwtAuthority } from '../src/spiffe/index.ts';
import { TEST_INSTANT } from './test-ca.ts';

/** Tokens are put together by hand, without the library that judges them, so that they can be wrong in every way. */

/** Seconds since 1970 at `TEST_INSTANT`. */
export const TEST_SECONDS = TEST_INSTANT.getTime() / 1000;

export type TokenKeyKind = 'rsa-1024' | 'rsa-2048' | 'P-256' | 'P-384' | 'P-521' | 'ed25519';

/** A signing key and what a bundle says of it. */
export interface TokenKey {
  readonly authority: JwtAuthority;
  readonly privateKey: KeyObject;
}

/** A new key that may sign tokens, under a key ID. */
export function createTokenKey(kind: TokenKeyKind = 'P-256', keyId = 'k1'): TokenKey {
  const { publicKey, privateKey } = generate(kind);
  return { privateKey, authority: jwtAuthorityOf(publicKey, keyId) };
}

/** What a bundle says of a public key. */
export function jwtAuthorityOf(publicKey: KeyObject, keyId: string): JwtAuthority {
  const jwk = publicKey.export({ format: 'jwk' });
  const members = ['kty', 'crv', 'n', 'e', 'x', 'y'].flatMap((member) => {
    const value = jwk[member];
    return typeof value === 'string' ? [[member, value]] : [];
  });
  return { keyId, jwk: Object.fromEntries(members) };
}

function generate(kind: TokenKeyKind): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (kind) {
    case 'rsa-1024':
      return generateKeyPairSync('rsa', { modulusLength: 1024 });
    case 'rsa-2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    default:
      return generateKeyPairSync('ec', { namedCurve: kind });
  }
}

/** The claims of a plain token, valid from half an hour before to five minutes after `TEST_INSTANT`. */
export function plainClaims(subject = 'spiffe://a.example/w'): Record<string, unknown> {
  return {
    sub: subject,
    aud: 'info.b.example',
    iat: TEST_SECONDS - 1800,
    exp: TEST_SECONDS + 300,
  };
}

export interface TokenParts {
  /** Replaces the whole header; text is taken as it is. */
  readonly header?: Readonly<Record<string, unknown>> | string;
  readonly claims?: Readonly<Record<string, unknown>> | string;
  readonly alg?: string;
}

/** A token in compact serialization, signed as its `alg` says (by default ES256). */
export function signToken(
  { authority, privateKey }: TokenKey,
  {
    alg = 'ES256',
    header = { alg, kid: authority.keyId, typ: 'JWT' },
    claims = plainClaims(),
  }: TokenParts = {},
): string {
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${signatureOf(input, alg, privateKey).toString('base64url')}`;
}

/** A part of a token: text as it is, anything else as JSON. */
export function part(value: string | Readonly<Record<string, unknown>>): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

function signatureOf(input: string, alg: string, key: KeyObject): Buffer {
  const data = Buffer.from(input);
  if (alg === 'EdDSA') return sign(null, data, key);
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('ES')) return sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
  if (alg.startsWith('RS')) return sign(hash, data, key);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return sign(hash, data, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
}
