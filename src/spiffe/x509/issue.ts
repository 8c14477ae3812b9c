import { generateKeyPair as generateKeyPairCallback, hash, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { defined } from '../../objects/index.ts';
import { bytesEqual, DerReader, Tag } from '../base/der.ts';
import { parseCertificate } from './certificate.ts';
import { EXTENDED_KEY_USAGE_OIDS, type KeyUsageName } from './extensions.ts';
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  type ExtensionRequest,
  extendedKeyUsageExtension,
  keyUsageExtension,
  type NameConstraintsRequest,
  nameConstraintsExtension,
  subjectAltNameExtension,
  subjectKeyIdExtension,
} from './issue-extensions.ts';

/** A request for a certificate. Nothing is checked: the issuer decides what is right. */
export interface IssueRequest {
  /** RFC 4514 text such as `O=istio.example,CN=Root 1`, written in this order; or empty. */
  readonly subject: string;
  readonly publicKey: KeyObject;
  /**
   * The issuer whose name the certificate bears and whose key signs it; absent for a self-issued
   * certificate.
   */
  readonly issuer?: { readonly certificate: Uint8Array; readonly key: KeyObject };
  /**
   * The signing key where there is no `issuer`: the certificate's own private key, or a throwaway
   * key for an anchor that is only a name and a key.
   */
  readonly signingKey?: KeyObject;
  /** Hex; random if absent. */
  readonly serialNumber?: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isCa: boolean;
  readonly pathLength?: number;
  /** Empty for no keyUsage extension. */
  readonly keyUsage: readonly KeyUsageName[];
  readonly extendedKeyUsage?: readonly ('serverAuth' | 'clientAuth')[];
  readonly uriSans?: readonly string[];
  readonly dnsSans?: readonly string[];
  /** By default the names are critical exactly if the subject is empty (X509-14). */
  readonly sanCritical?: boolean;
  readonly nameConstraints?: NameConstraintsRequest;
  /**
   * subjectKeyIdentifier and, below an issuer that has one, authorityKeyIdentifier; default true.
   */
  readonly withKeyIdentifiers?: boolean;
  /** Hex, instead of an identifier made from the key. */
  readonly subjectKeyId?: string;
  /** The subject byte for byte, instead of `subject`. */
  readonly subjectDer?: Uint8Array;
  /** The issuer byte for byte, instead of the issuer's subject. */
  readonly issuerDer?: Uint8Array;
  /** Further extensions, used unchanged. One with the number of an extension above replaces it. */
  readonly extensions?: readonly ExtensionRequest[];
  /** RSA-PSS instead of PKCS #1 v1.5. */
  readonly rsaPss?: boolean;
}

export type KeyKind = 'P-256' | 'P-384' | 'P-521' | 'RSA-2048' | 'RSA-4096' | 'Ed25519';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const generate = promisify(generateKeyPairCallback);

/** A new key pair. */
export async function generateKeyPair(kind: KeyKind): Promise<KeyPair> {
  switch (kind) {
    case 'P-256':
    case 'P-384':
    case 'P-521':
      return await generate('ec', { namedCurve: kind });
    case 'RSA-2048':
      return await generate('rsa', { modulusLength: 2048 });
    case 'RSA-4096':
      return await generate('rsa', { modulusLength: 4096 });
    case 'Ed25519':
      return await generate('ed25519');
    default:
      return kind satisfies never;
  }
}

/**
 * Makes one certificate, DER, signed with SHA-256 or the hash that the curve requires. Throws
 * `TypeError` for a request without a signing key.
 */
export async function issueCertificate(request: IssueRequest): Promise<Uint8Array> {
  // Loaded on first use, because most processes never issue anything.
  const { Extension, Name, PublicKey, X509CertificateGenerator } = await import('./library.ts');
  const signer = request.issuer?.key ?? request.signingKey;
  if (!signer) throw new TypeError('a certificate is signed by the key of its issuer or by a signing key');
  const issuer = request.issuer && parseCertificate(request.issuer.certificate);
  const spkiDer = request.publicKey.export({ type: 'spki', format: 'der' });
  const subject = request.subjectDer ? new Name(arrayBuffer(request.subjectDer)) : new Name(request.subject);
  const issuerDer = request.issuerDer ?? issuer?.subjectDer;
  const signingAlgorithm = algorithmOf(signer, request.rsaPss ?? false);
  const pkcs8 = arrayBuffer(signer.export({ type: 'pkcs8', format: 'der' }));
  const signingKey = await crypto.subtle.importKey('pkcs8', pkcs8, signingAlgorithm, false, ['sign']);
  const made = await X509CertificateGenerator.create({
    ...defined({ serialNumber: request.serialNumber }),
    subject,
    issuer: issuerDer ? new Name(arrayBuffer(issuerDer)) : subject,
    notBefore: request.notBefore,
    notAfter: request.notAfter,
    publicKey: new PublicKey(arrayBuffer(spkiDer)),
    signingKey,
    signingAlgorithm,
    extensions: extensionsOf(request, spkiDer, issuer?.subjectKeyId).map(
      ({ oid, critical, value }) => new Extension(oid, critical, arrayBuffer(value)),
    ),
  });
  const der = new Uint8Array(made.rawData);
  assertNamesKept(der, request.subjectDer, issuerDer);
  return der;
}

/** Checks that names passed through the library unchanged, because a chain depends on that. */
function assertNamesKept(
  der: Uint8Array,
  subjectDer: Uint8Array | undefined,
  issuerDer: Uint8Array | undefined,
): void {
  const tbs = new DerReader(der).enter(Tag.sequence).enter(Tag.sequence);
  const [, , , issuer, , subject] = Array.from({ length: 6 }, () => tbs.element());
  for (const [wanted, found] of [
    [subjectDer, subject],
    [issuerDer, issuer],
  ]) {
    if (wanted && !(found && bytesEqual(found, wanted)))
      throw new TypeError('a name cannot be kept byte for byte');
  }
}

function extensionsOf(
  request: IssueRequest,
  spkiDer: Uint8Array,
  issuerKeyId: string | undefined,
): ExtensionRequest[] {
  const { uriSans = [], dnsSans = [], withKeyIdentifiers = true, extensions = [] } = request;
  const named: ExtensionRequest[] = [basicConstraintsExtension(request.isCa, request.pathLength)];
  if (request.keyUsage.length > 0) named.push(keyUsageExtension(request.keyUsage));
  if (request.extendedKeyUsage) {
    const purposes = request.extendedKeyUsage.map((purpose) => EXTENDED_KEY_USAGE_OIDS[purpose]);
    named.push(extendedKeyUsageExtension(purposes));
  }
  if (uriSans.length + dnsSans.length > 0) {
    const emptySubject = request.subjectDer ? request.subjectDer.length === 2 : request.subject === '';
    named.push(subjectAltNameExtension(request.sanCritical ?? emptySubject, uriSans, dnsSans));
  }
  if (request.nameConstraints) named.push(nameConstraintsExtension(request.nameConstraints));
  if (withKeyIdentifiers) {
    const keyId =
      request.subjectKeyId === undefined ? keyIdOf(spkiDer) : Buffer.from(request.subjectKeyId, 'hex');
    named.push(subjectKeyIdExtension(keyId));
    if (issuerKeyId !== undefined) named.push(authorityKeyIdExtension(Buffer.from(issuerKeyId, 'hex')));
  }
  const replaced = new Set(extensions.map(({ oid }) => oid));
  return [...named.filter(({ oid }) => !replaced.has(oid)), ...extensions];
}

/** RFC 7093 §2: the left 160 bits of SHA-256, here over the whole SubjectPublicKeyInfo. */
function keyIdOf(spkiDer: Uint8Array): Uint8Array {
  return hash('sha256', spkiDer, 'buffer').subarray(0, 20);
}

type SigningAlgorithm =
  | { readonly name: 'Ed25519' }
  | { readonly name: 'ECDSA'; readonly namedCurve: string; readonly hash: string }
  | { readonly name: 'RSASSA-PKCS1-v1_5'; readonly hash: string }
  | { readonly name: 'RSA-PSS'; readonly hash: string; readonly saltLength: number };

function algorithmOf(key: KeyObject, rsaPss: boolean): SigningAlgorithm {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return { name: 'Ed25519' };
    case 'rsa':
      return rsaPss
        ? { name: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 }
        : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    case 'ec':
      return ecdsaOf(key.asymmetricKeyDetails?.namedCurve);
    default:
      throw new TypeError(`a key of type ${String(key.asymmetricKeyType)} signs no certificates here`);
  }
}

function ecdsaOf(curve: string | undefined): SigningAlgorithm {
  switch (curve) {
    case 'prime256v1':
      return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    case 'secp384r1':
      return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
    case 'secp521r1':
      return { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' };
    default:
      throw new TypeError(`a key on curve ${String(curve)} signs no certificates here`);
  }
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
