import { hash } from 'node:crypto';
import { CodedError } from '../../errors/index.ts';
import { type AlgorithmIdentifier, readAlgorithm } from './algorithm-identifier.ts';
import { bytesEqual, CONSTRUCTED, CONTEXT, DerError, DerReader, Tag } from '../base/der.ts';
import { type DistinguishedName, nameKey, nameText, parseDistinguishedName } from './distinguished-name.ts';
import type { GeneralNameKind } from './general-name.ts';
import { keyFingerprintOf, keyNamesOf } from './key-identity.ts';
import { type CertificateExtensions, type KeyUsageName, parseExtensions } from './extensions.ts';
import { type ConstrainedName, constrainedNamesOf } from './name-constraints.ts';

export type CertificateErrorCode = 'certificate-malformed' | 'certificate-version';

/** The bytes are not one X.509 v3 certificate in DER. */
export class CertificateError extends CodedError<CertificateErrorCode> {}

/** Subject alternative names as text: URIs, DNS names, addresses, e-mail addresses. */
export interface SubjectAltNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ips: readonly string[];
  readonly emails: readonly string[];
}

/**
 * One X.509 v3 certificate, read strictly (RFC 5280 §4.1). It contains what the certificate states;
 * `verifyX509Path` decides whether to believe it. Everything points into `der`, which must not be
 * changed afterwards.
 */
export class Certificate {
  readonly der: Uint8Array;
  /** The signed bytes. */
  readonly tbsDer: Uint8Array;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signature: Uint8Array;
  readonly serialNumberHex: string;
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The SubjectPublicKeyInfo. */
  readonly spkiDer: Uint8Array;
  readonly extensions: CertificateExtensions;
  #fingerprint: string | undefined;
  #keyFingerprint: string | undefined;
  readonly #subjectName: DistinguishedName;
  readonly #issuerName: DistinguishedName;
  #subject: string | undefined;
  #issuer: string | undefined;
  #subjectKey: string | undefined;
  #issuerKey: string | undefined;
  #constrainedNames: readonly ConstrainedName[] | undefined;

  /** Throws `CertificateError`: `certificate-malformed`, `certificate-version`. */
  constructor(der: Uint8Array) {
    this.der = der;
    try {
      const outer = new DerReader(der);
      const certificate = outer.enter(Tag.sequence);
      outer.end();
      this.tbsDer = certificate.element(Tag.sequence);
      const signatureAlgorithmDer = certificate.element(Tag.sequence);
      this.signature = certificate.wholeBytes();
      certificate.end();

      const tbs = new DerReader(this.tbsDer).enter(Tag.sequence);
      readVersion(tbs);
      this.serialNumberHex = readSerialNumber(tbs);
      const innerAlgorithmDer = tbs.element(Tag.sequence);
      if (!bytesEqual(innerAlgorithmDer, signatureAlgorithmDer)) {
        throw new DerError('the signed and the outer signature algorithm differ');
      }
      this.signatureAlgorithm = readAlgorithm(new DerReader(signatureAlgorithmDer));
      this.issuerDer = tbs.element(Tag.sequence);
      this.#issuerName = parseDistinguishedName(this.issuerDer);
      const validity = tbs.enter(Tag.sequence);
      this.notBefore = validity.time();
      this.notAfter = validity.time();
      validity.end();
      this.subjectDer = tbs.element(Tag.sequence);
      this.#subjectName = parseDistinguishedName(this.subjectDer);
      this.spkiDer = tbs.element(Tag.sequence);
      for (const tag of [CONTEXT | 1, CONTEXT | 2]) if (tbs.nextTag === tag) tbs.content(tag);
      const extensions = tbs.enterOptional(CONTEXT | CONSTRUCTED | 3);
      tbs.end();
      this.extensions = parseExtensions(extensions);
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      throw new CertificateError(
        'certificate-malformed',
        `a certificate could not be read: ${error.message}`,
        {
          cause: error,
        },
      );
    }
  }

  /** SHA-256 of the whole certificate, 64 lower-case hex digits. */
  get fingerprint(): string {
    this.#fingerprint ??= hash('sha256', this.der, 'hex');
    return this.#fingerprint;
  }

  /** The digest of the key, in any encoding; see `keyFingerprintOf`. */
  get keyFingerprint(): string {
    this.#keyFingerprint ??= keyFingerprintOf(this.spkiDer);
    return this.#keyFingerprint;
  }

  /** Every digest under which the key may be on record, `keyFingerprint` first. */
  get keyNames(): readonly string[] {
    return keyNamesOf(this.spkiDer);
  }

  /** The subject as text; empty for the empty name. */
  get subject(): string {
    this.#subject ??= nameText(this.#subjectName);
    return this.#subject;
  }

  /** The issuer as text. */
  get issuer(): string {
    this.#issuer ??= nameText(this.#issuerName);
    return this.#issuer;
  }

  /** basicConstraints `cA`; false where the extension is missing (RFC 5280 §4.2.1.9). */
  get isCa(): boolean {
    return this.extensions.basicConstraints?.isCa ?? false;
  }

  get pathLength(): number | undefined {
    return this.extensions.basicConstraints?.pathLength;
  }

  get keyUsage(): ReadonlySet<KeyUsageName> | undefined {
    return this.extensions.keyUsage?.usages;
  }

  /** The purposes' object identifiers, or undefined where the extension is missing. */
  get extendedKeyUsage(): ReadonlySet<string> | undefined {
    return this.extensions.extendedKeyUsage?.purposes;
  }

  /** The subject alternative names of the common kinds, as text. */
  get subjectAltNames(): SubjectAltNames {
    const names = this.extensions.subjectAltName?.names ?? [];
    const texts = (kind: GeneralNameKind) =>
      names.flatMap((name) => (name.kind === kind ? (name.text ?? []) : []));
    return {
      uris: texts('uri'),
      dnsNames: texts('dns'),
      emails: texts('email'),
      ips: names.flatMap((name) => (name.kind === 'ip' ? [addressText(name.bytes)] : [])),
    };
  }

  /** Lower-case hex. */
  get subjectKeyId(): string | undefined {
    return this.extensions.subjectKeyId;
  }

  /** Lower-case hex. */
  get authorityKeyId(): string | undefined {
    return this.extensions.authorityKeyId;
  }

  /** A text that is equal exactly for equal names (RFC 5280 §7.1). */
  get subjectKey(): string {
    this.#subjectKey ??= nameKey(this.#subjectName);
    return this.#subjectKey;
  }

  /** The issuer's name in the same form. */
  get issuerKey(): string {
    this.#issuerKey ??= nameKey(this.#issuerName);
    return this.#issuerKey;
  }

  /**
   * Whether issuer and subject are the same name, so that the certificate claims to be self-issued.
   * Because an empty name identifies no one, it never counts: such a certificate would be exempt
   * from path lengths and name constraints.
   */
  get isSelfIssued(): boolean {
    if (this.subjectDer.length === 2) return false;
    return bytesEqual(this.issuerDer, this.subjectDer) || this.issuerKey === this.subjectKey;
  }

  /** The names that name constraints bind (RFC 5280 §4.2.1.10). */
  get constrainedNames(): readonly ConstrainedName[] {
    this.#constrainedNames ??= constrainedNamesOf(this.#subjectName, this.extensions.subjectAltName?.names);
    return this.#constrainedNames;
  }
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length === 16) return (Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []).join(':');
  return `#${Buffer.from(bytes).toString('hex')}`;
}

/**
 * Reads one certificate. Throws `CertificateError`: `certificate-malformed`, `certificate-version`.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  return new Certificate(der);
}

function readVersion(tbs: DerReader): void {
  const version = tbs.enterOptional(CONTEXT | CONSTRUCTED | 0);
  const number = version ? version.smallInteger(255) : 0;
  version?.end();
  if (number !== 2) {
    throw new CertificateError(
      'certificate-version',
      `it is an X.509 certificate of version ${number + 1}, and only version 3 can say what it may be used for: issue it again as version 3`,
    );
  }
}

function readSerialNumber(tbs: DerReader): string {
  const serial = tbs.integer();
  // RFC 5280 §4.1.2.2: up to 20 octets, and users handle negative ones gracefully. A 21st octet is
  // only ever the sign.
  if (serial.length > 21 || (serial.length === 21 && serial[0] !== 0)) {
    throw new DerError('a serial number has at most 20 octets');
  }
  return Buffer.from(serial).toString('hex');
}
