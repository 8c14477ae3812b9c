import { createPublicKey, type KeyObject } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import type { JwtAuthority } from '../bundle/bundle.ts';
import type { JwsAlgorithm } from './jws-algorithm.ts';
import { readPublicKey } from '../x509/public-key.ts';
import { keyRefusal } from '../x509/signature.ts';

/** A JWT authority's key, or why it cannot check signatures. */
type CheckingKey =
  | { readonly kind: 'usable'; readonly key: KeyObject }
  | { readonly kind: 'refused'; readonly why: string };

// An authority is prepared once and proves many tokens.
const keys = new WeakMap<JwtAuthority, CheckingKey>();

/**
 * Why the key of an authority cannot check signatures, by the same minimum as for certificates
 * (X509-36), or undefined.
 */
export function jwtKeyRefusal(authority: JwtAuthority): string | undefined {
  const key = keyOf(authority);
  return key.kind === 'refused' ? key.why : undefined;
}

/**
 * Whether the authority's key made the signature of a token in compact serialization whose header
 * says `algorithm`.
 */
export async function isSignedBy(
  token: string,
  algorithm: JwsAlgorithm,
  authority: JwtAuthority,
): Promise<boolean> {
  const checking = keyOf(authority);
  if (checking.kind === 'refused') return false;
  try {
    await compactVerify(token, checking.key, { algorithms: [algorithm] });
    return true;
  } catch (error) {
    // A token that the library refuses, or a key that does not fit the algorithm, has proven
    // nothing.
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException)
      return false;
    throw error;
  }
}

function keyOf(authority: JwtAuthority): CheckingKey {
  const known = keys.get(authority);
  if (known) return known;
  const key = prepare(authority);
  keys.set(authority, key);
  return key;
}

function prepare({ jwk }: JwtAuthority): CheckingKey {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
  } catch {
    // A parsed bundle never has such an entry; an authority made by hand may.
    return { kind: 'refused', why: 'its members are not a public key' };
  }
  const why = keyRefusal(readPublicKey(key.export({ type: 'spki', format: 'der' })));
  return why === undefined ? { kind: 'usable', key } : { kind: 'refused', why };
}
