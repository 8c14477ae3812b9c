import type { X509Authority } from './bundle.ts';
import { CertificateError, parseCertificate } from '../x509/certificate.ts';

// Needed at every judgement of a bundle with distrusted keys.
const known = new WeakMap<X509Authority, readonly string[]>();

/**
 * Every digest under which the key of an authority may be on record, its `keyFingerprint` first.
 */
export function keyNamesOfAuthority(authority: X509Authority): readonly string[] {
  const before = known.get(authority);
  if (before) return before;
  const names = readNames(authority);
  known.set(authority, names);
  return names;
}

function readNames({ der, keyFingerprint }: X509Authority): readonly string[] {
  try {
    return [...new Set([keyFingerprint, ...parseCertificate(der).keyNames])];
  } catch (error) {
    // An authority made by hand has no other digest.
    if (error instanceof CertificateError) return [keyFingerprint];
    throw error;
  }
}
