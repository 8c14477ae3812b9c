import { defined } from '../../objects/index.ts';
import type { JwtAuthority, TrustBundle, X509Authority } from './bundle.ts';
import { BundleError } from './bundle-error.ts';
import { DerError } from '../base/der.ts';
import { readingProblem } from './interoperable-authority.ts';
import { jwkOfPublicKey } from './jwk.ts';
import type { TrustDomain } from '../id/trust-domain.ts';
import { type Certificate, CertificateError, parseCertificate } from '../x509/certificate.ts';

/**
 * A CA certificate as an authority of a bundle. Its dates (TDB-29) and its signer (X509-24) do not
 * matter. Throws `BundleError`: `authority-not-a-certificate`, `authority-not-a-ca` (TDB-28),
 * `authority-key-unsupported`.
 */
export function x509AuthorityFromDer(der: Uint8Array): X509Authority {
  const certificate = readCertificate(der);
  if (!certificate.isCa || (certificate.keyUsage && !certificate.keyUsage.has('keyCertSign'))) {
    throw new BundleError(
      'authority-not-a-ca',
      `an authority is a CA that may sign certificates, unlike ${JSON.stringify(certificate.subject)}`,
    );
  }
  assertKeyFits(certificate);
  return {
    der: certificate.der,
    fingerprint: certificate.fingerprint,
    keyFingerprint: certificate.keyFingerprint,
    subject: certificate.subject,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
  };
}

/**
 * The same for a CA certificate that is used together with those of others, and must therefore be
 * readable for every verifier. Throws `BundleError` as `x509AuthorityFromDer` does, and
 * `authority-not-portable`.
 */
export function portableAuthorityFromDer(der: Uint8Array): X509Authority {
  const authority = x509AuthorityFromDer(der);
  const problem = readingProblem(authority);
  if (problem === undefined) return authority;
  throw new BundleError(
    'authority-not-portable',
    `other programs cannot read the certificate ${JSON.stringify(authority.subject)}: ${problem}`,
  );
}

/** A bundle of these authorities, each held once. */
export function bundleOf(
  trustDomain: TrustDomain,
  x509Authorities: Iterable<X509Authority>,
  rest: {
    readonly sequence?: bigint;
    readonly refreshHintSeconds?: number;
    readonly jwtAuthorities?: readonly JwtAuthority[];
  } = {},
): TrustBundle {
  const byFingerprint = new Map([...x509Authorities].map((authority) => [authority.fingerprint, authority]));
  return {
    trustDomain,
    x509Authorities: [...byFingerprint.values()],
    jwtAuthorities: rest.jwtAuthorities ?? [],
    ...defined({ sequence: rest.sequence, refreshHintSeconds: rest.refreshHintSeconds }),
  };
}

function readCertificate(der: Uint8Array): Certificate {
  try {
    // A copy, because an authority outlives its input buffer and must not change with it.
    return parseCertificate(Uint8Array.from(der));
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new BundleError('authority-not-a-certificate', `an authority could not be read: ${error.message}`, {
      cause: error,
    });
  }
}

function assertKeyFits(certificate: Certificate): void {
  let cause: unknown;
  try {
    if (jwkOfPublicKey(certificate.spkiDer)) return;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    cause = error;
  }
  throw new BundleError(
    'authority-key-unsupported',
    `the key of ${JSON.stringify(certificate.subject)} is neither RSA, EC on P-256, P-384 or P-521, nor Ed25519`,
    { cause },
  );
}
