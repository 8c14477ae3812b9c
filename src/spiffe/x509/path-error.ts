import { CodedError } from '../../errors/index.ts';
import type { Certificate } from './certificate.ts';

export type X509PathErrorCode =
  /** The input is larger than the limits allow. */
  | 'too-many-certificates'
  | 'too-many-bytes'
  /** The search did too much work of one kind and ended (X509-37). */
  | 'signature-limit'
  | 'name-comparison-limit'
  | 'search-limit'
  /** The leaf is not one X.509 v3 certificate in DER. */
  | 'certificate-malformed'
  /** No anchor and no sent certificate bears the name that the certificate gives as its issuer. */
  | 'issuer-not-found'
  | 'path-too-long'
  | 'not-yet-valid'
  | 'expired'
  | 'unknown-critical-extension'
  /** An empty issuer name, and no key identifiers that identify an issuer instead. */
  | 'issuer-name-empty'
  /** None of the candidates' keys made the certificate's signature. */
  | 'signature-invalid'
  | 'signature-algorithm-refused'
  | 'key-refused'
  /** An issuer without basicConstraints `cA`. */
  | 'issuer-not-a-ca'
  /** An issuer whose keyUsage lacks `keyCertSign`. */
  | 'issuer-may-not-sign'
  | 'path-length-exceeded'
  /** The leaf states what RFC 5280 §4 reserves for CAs, or lacks every binding name. */
  | 'profile-violated'
  | 'name-not-permitted'
  | 'name-constraint-unprocessable'
  | 'purpose-refused'
  | 'policy-refused';

/** Which certificate of the input a refusal is about. */
export interface CertificateReference {
  readonly role: 'leaf' | 'helper' | 'anchor';
  /** Its place among the certificates of its role. */
  readonly index: number;
  /** Empty where there is none, or where it could not be read. */
  readonly subject: string;
  readonly fingerprint: string;
}

/** No acceptable path leads from the leaf to an anchor; the code is that of the longest attempt. */
export class X509PathError extends CodedError<X509PathErrorCode> {
  /** The certificate the refusal is about; absent where the input as a whole is refused. */
  readonly certificate: CertificateReference | undefined;

  constructor(
    code: X509PathErrorCode,
    message: string,
    options: ErrorOptions & { certificate?: CertificateReference } = {},
  ) {
    super(code, message, options);
    this.certificate = options.certificate;
  }

  /** The subject of that certificate, as text. */
  get subject(): string | undefined {
    return this.certificate?.subject;
  }
}

/** A certificate with its place in the input. */
export interface PlacedCertificate {
  readonly certificate: Certificate;
  readonly role: CertificateReference['role'];
  readonly index: number;
}

/** The name of a certificate in a refusal. */
export function describeCertificate({ certificate, role, index }: PlacedCertificate): string {
  const place = role === 'leaf' ? 'the leaf' : `${role} ${index}`;
  return certificate.subject === '' ? place : `${place} (${certificate.subject})`;
}

/** The reference a refusal carries. */
export function referenceTo({ certificate, role, index }: PlacedCertificate): CertificateReference {
  return { role, index, subject: certificate.subject, fingerprint: certificate.fingerprint };
}
