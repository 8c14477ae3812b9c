import { createHash, createPublicKey } from 'node:crypto';
import type { JwtAuthority, TrustBundle } from '../../spiffe/index.ts';

// Asked for at every judgement that brings a new key, of every bundle held.
const keys = new WeakMap<TrustBundle, ReadonlySet<string>>();
const jwtKeys = new WeakMap<JwtAuthority, string>();

/**
 * SHA-256 of the SubjectPublicKeyInfo of every key of a bundle, of X.509 roots and for JWTs, 64
 * lower-case hex digits.
 */
export function keyFingerprintsOf(bundle: TrustBundle): ReadonlySet<string> {
  const known = keys.get(bundle);
  if (known) return known;
  const found = new Set([
    ...bundle.x509Authorities.map(({ keyFingerprint }) => keyFingerprint),
    ...bundle.jwtAuthorities.map(jwtKeyFingerprint),
  ]);
  keys.set(bundle, found);
  return found;
}

/** SHA-256 of the SubjectPublicKeyInfo of a JWT key, 64 lower-case hex digits. */
export function jwtKeyFingerprint(authority: JwtAuthority): string {
  const known = jwtKeys.get(authority);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: { ...authority.jwk }, format: 'jwk' });
  const fingerprint = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  jwtKeys.set(authority, fingerprint);
  return fingerprint;
}
