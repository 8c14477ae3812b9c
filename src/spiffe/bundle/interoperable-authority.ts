import { createPublicKey, X509Certificate } from 'node:crypto';
import { defined } from '../../objects/index.ts';
import type { AlgorithmIdentifier } from '../x509/algorithm-identifier.ts';
import type { X509Authority } from './bundle.ts';
import { CONSTRUCTED, CONTEXT, DerError, DerReader, Tag } from '../base/der.ts';
import { extensionsProblem } from '../x509/interoperable-extensions.ts';
import { keyProblem } from '../x509/interoperable-key.ts';
import { nameProblem } from '../x509/interoperable-name.ts';
import { isShortOid } from '../x509/short-oid.ts';
import { type Certificate, CertificateError, parseCertificate } from '../x509/certificate.ts';
import { publicKeyOf } from '../x509/certificate-key.ts';
import { signatureSchemeOf } from '../x509/signature.ts';

const RSASSA_PSS = '1.2.840.113549.1.1.10';
const MAX_REMEMBERED = 8192;
const remembered = new Map<string, string | undefined>();

/**
 * Why some verifier cannot read a CA certificate, as the end of the sentence "others cannot read
 * it: …". Undefined where Go, BoringSSL, OpenSSL, rustls and Java all can. Because many of them
 * refuse a whole set of roots for one unreadable root, such a certificate must not be mixed with
 * those of others. It is stricter than our own reader, and judges neither dates nor signature.
 */
export function readingProblem({
  der,
  fingerprint,
}: Pick<X509Authority, 'der' | 'fingerprint'>): string | undefined {
  if (remembered.has(fingerprint)) return remembered.get(fingerprint);
  const problem = judge(der);
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(fingerprint, problem);
  return problem;
}

function judge(der: Uint8Array): string | undefined {
  try {
    const certificate = parseCertificate(der);
    return (
      bodyProblem(certificate) ??
      validityProblem(certificate) ??
      keyProblem(publicKeyOf(certificate)) ??
      openSslProblem(certificate)
    );
  } catch (error) {
    if (error instanceof DerError || error instanceof CertificateError) return error.message;
    throw error;
  }
}

function bodyProblem({
  tbsDer,
  signatureAlgorithm,
  issuerDer,
  subjectDer,
  serialNumberHex,
}: Certificate): string | undefined {
  const [first = 0] = Buffer.from(serialNumberHex, 'hex');
  if (first >= 0x80) return 'its serial number is negative';
  if (/^0*$/.test(serialNumberHex)) return 'its serial number is zero';
  const algorithmFault = signatureAlgorithmProblem(signatureAlgorithm);
  if (algorithmFault !== undefined) return algorithmFault;
  for (const [what, der] of [
    ['subject', subjectDer],
    ['issuer', issuerDer],
  ] as const) {
    const problem = nameProblem(der);
    if (problem !== undefined) return `its ${what} ${problem}`;
  }
  const tbs = new DerReader(tbsDer).enter(Tag.sequence);
  // Version, serial number, algorithm, issuer, validity, subject, key: read before.
  for (let element = 0; element < 7; element += 1) tbs.element();
  if (tbs.nextTag !== (CONTEXT | CONSTRUCTED | 3)) {
    return tbs.done ? 'it has no extensions' : 'it has unique identifiers, which RFC 5280 forbids CAs to use';
  }
  return extensionsProblem(tbs.enter(CONTEXT | CONSTRUCTED | 3));
}

/**
 * Java reads the parameters of an algorithm that it knows, and refuses the certificate with them.
 */
function signatureAlgorithmProblem({ oid, parameters }: AlgorithmIdentifier): string | undefined {
  if (!isShortOid(oid)) return 'its signature algorithm has a number that Go cannot hold';
  if (signatureSchemeOf({ oid, ...defined({ parameters }) })) return undefined;
  const usual = !parameters || (parameters.length === 2 && parameters[0] === Tag.null);
  return usual && oid !== RSASSA_PSS
    ? undefined
    : 'its signature algorithm has parameters that not every verifier reads';
}

function validityProblem({ notBefore, notAfter }: Certificate): string | undefined {
  return notAfter < notBefore ? 'its validity ends before it begins' : undefined;
}

/** OpenSSL also reads it, as a whole and its key. That detects a point off its curve. */
function openSslProblem({ der, spkiDer }: Certificate): string | undefined {
  try {
    void new X509Certificate(der).publicKey;
    createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' });
    return undefined;
  } catch {
    return 'OpenSSL cannot read it, or its key';
  }
}
