import { createPublicKey } from 'node:crypto';
import { decodeBase64url } from '../base/base64.ts';
import { bytesEqual } from '../base/der.ts';
import type { JsonObject } from '../base/strict-json.ts';
import { type PublicKeyShape, readPublicKey } from '../x509/public-key.ts';

/** The public members of a key, `kty` first, in the order we write them. */
export type PublicJwk = Readonly<Record<string, string>>;

/** What each known `kty` requires of a public key (RFC 7518 §6, RFC 8037 §2). */
const REQUIRED: ReadonlyMap<string, readonly string[]> = new Map([
  ['RSA', ['n', 'e']],
  ['EC', ['crv', 'x', 'y']],
  ['OKP', ['crv', 'x']],
]);

/** Members that hold private or symmetric key material (RFC 7518 §6.2.2, §6.3.2, §6.4). */
const PRIVATE: readonly string[] = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/**
 * Whether a JWK contains what must never be in a bundle: private members, or a symmetric key
 * (TDB-37).
 */
export function holdsSecret(entry: JsonObject): boolean {
  return entry.get('kty') === 'oct' || PRIVATE.some((member) => entry.has(member));
}

/** Whether `kty` is one we know (TDB-15). */
export function isKnownKeyType(kty: unknown): boolean {
  return typeof kty === 'string' && REQUIRED.has(kty);
}

/**
 * The JWK of a SubjectPublicKeyInfo, or undefined for a kind of key that JWKs of a bundle cannot
 * hold. Throws `DerError`.
 */
export function jwkOfPublicKey(spkiDer: Uint8Array): PublicJwk | undefined {
  return jwkOfShape(readPublicKey(spkiDer));
}

function jwkOfShape(shape: PublicKeyShape): PublicJwk | undefined {
  switch (shape.kind) {
    case 'rsa':
      return { kty: 'RSA', n: base64url(shape.modulus), e: base64url(shape.exponent) };
    case 'ec':
      return { kty: 'EC', crv: shape.curve, x: base64url(shape.x), y: base64url(shape.y) };
    case 'ed25519':
      return { kty: 'OKP', crv: 'Ed25519', x: base64url(shape.x) };
    case 'unknown':
      return undefined;
    default:
      return shape satisfies never;
  }
}

/** Whether an entry's members state the same key as `jwk` (RFC 7517 §4.7, TDB-27). */
export function statesKey(entry: JsonObject, jwk: PublicJwk): boolean {
  return Object.entries(jwk).every(([member, expected]) => {
    const found = entry.get(member);
    if (typeof found !== 'string') return false;
    if (found === expected) return true;
    // RFC 7518 §2: these are integers, and some libraries write a leading zero byte.
    if (member !== 'n' && member !== 'e') return false;
    const bytes = decodeBase64url(found);
    const wanted = decodeBase64url(expected);
    return bytes !== undefined && wanted !== undefined && bytesEqual(withoutLeadingZeros(bytes), wanted);
  });
}

/**
 * The key that an entry states, by its public members alone; undefined where they state no usable
 * key.
 */
export function readJwk(entry: JsonObject): PublicJwk | undefined {
  const kty = entry.get('kty');
  const required = typeof kty === 'string' ? REQUIRED.get(kty) : undefined;
  if (typeof kty !== 'string' || !required) return undefined;
  const jwk: Record<string, string> = { kty };
  for (const member of required) {
    const value = entry.get(member);
    if (typeof value !== 'string') return undefined;
    jwk[member] = value;
  }
  try {
    const spkiDer = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' });
    const canonical = jwkOfPublicKey(spkiDer);
    return canonical && statesKey(entry, canonical) ? canonical : undefined;
  } catch {
    // The members are not a key, so the entry states none, which the caller reports.
    return undefined;
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

function withoutLeadingZeros(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first === -1 ? bytes.subarray(bytes.length) : bytes.subarray(first);
}
