import type { PublicJwk } from '../bundle/jwk.ts';

/** The nine algorithms a JWT-SVID may be signed with (JWT-SVID §2.1). */
export type JwsAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'PS256'
  | 'PS384'
  | 'PS512';

/** The key that each of the nine takes (RFC 7518 §3.1). */
const ALGORITHMS: Readonly<Record<JwsAlgorithm, { readonly kty: string; readonly crv?: string }>> = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
};

/** The names of the nine, for sentences. */
export const JWS_ALGORITHMS = Object.keys(ALGORITHMS).join(', ');

/**
 * Whether a value is one of the nine, letter by letter: never `none`, never a symmetric one
 * (JWT-02).
 */
export function isJwsAlgorithm(value: unknown): value is JwsAlgorithm {
  return typeof value === 'string' && Object.hasOwn(ALGORITHMS, value);
}

/** Whether a key is of the kind, and on the curve, that an algorithm takes (JWT-03). */
export function fitsAlgorithm(jwk: PublicJwk, algorithm: JwsAlgorithm): boolean {
  return Object.entries(ALGORITHMS[algorithm]).every(([member, value]) => jwk[member] === value);
}
