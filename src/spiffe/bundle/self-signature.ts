import { DerError } from '../base/der.ts';
import { CertificateError, parseCertificate } from '../x509/certificate.ts';
import { signatureIsBy, signatureSchemeOf } from '../x509/signature.ts';
import type { X509Authority } from './bundle.ts';

/**
 * Whether the key of an authority made the signature of its certificate. Because an attacker can
 * put any public key into a certificate of its own, only that signature shows that the holder of
 * the key issued it. False where the certificate cannot be read or the signature algorithm is not
 * accepted.
 */
export function isSignedByOwnKey({ der }: Pick<X509Authority, 'der'>): boolean {
  try {
    const certificate = parseCertificate(der);
    const scheme = signatureSchemeOf(certificate.signatureAlgorithm);
    return scheme !== undefined && signatureIsBy(certificate, scheme, certificate);
  } catch (error) {
    if (error instanceof CertificateError || error instanceof DerError) return false;
    throw error;
  }
}
