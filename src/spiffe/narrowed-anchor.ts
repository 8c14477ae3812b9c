import { createHash, createPublicKey } from 'node:crypto';
import type { X509Authority } from './bundle.ts';
import type { TrustDomain } from './trust-domain.ts';
import { type Certificate, parseCertificate } from './x509-certificate.ts';
import { EXTENDED_KEY_USAGE_OIDS } from './x509-extensions.ts';
import { generateKeyPair, issueCertificate } from './x509-issue.ts';

/**
 * An anchor for a merged pool that stands for `root` but can speak for `trustDomain` alone (mesh-surfaces §9): same
 * subject, key and key identifier, and critical name constraints. A throwaway key signs it; nobody checks an anchor's
 * signature. Two calls give certificates that differ in their signature only.
 */
export async function createNarrowedAnchor(
  root: X509Authority,
  trustDomain: TrustDomain,
): Promise<Uint8Array> {
  const certificate = parseCertificate(root.der);
  const throwaway = await generateKeyPair('P-256');
  const { subjectKeyId, pathLength, subjectDer } = certificate;
  const nobody = `${trustDomain}.invalid`;
  const purposes = (['serverAuth', 'clientAuth'] as const).filter((purpose) =>
    certificate.extendedKeyUsage?.has(EXTENDED_KEY_USAGE_OIDS[purpose]),
  );
  return await issueCertificate({
    subject: '',
    subjectDer,
    issuerDer: subjectDer,
    publicKey: createPublicKey({ key: Buffer.from(certificate.spkiDer), format: 'der', type: 'spki' }),
    signingKey: throwaway.privateKey,
    serialNumber: markOf(certificate.keyFingerprint, trustDomain),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    isCa: true,
    ...(pathLength === undefined ? {} : { pathLength }),
    keyUsage: ['keyCertSign'],
    // A root that limits what its leaves are for goes on limiting it.
    ...(certificate.extendedKeyUsage ? { extendedKeyUsage: purposes } : {}),
    ...(subjectKeyId === undefined ? { withKeyIdentifiers: false } : { subjectKeyId }),
    nameConstraints: {
      permittedUris: [trustDomain],
      permittedDns: [nobody],
      permittedEmails: [nobody],
      excludedIps: ['0.0.0.0/0', '::/0'],
    },
  });
}

/** Whether `certificate` is an anchor that `createNarrowedAnchor` made for `trustDomain`, told by its serial number. */
export function isNarrowedAnchor(certificate: Certificate, trustDomain: string): boolean {
  return certificate.serialNumberHex === markOf(certificate.keyFingerprint, trustDomain);
}

/** Whether `anchor` still stands for `root` as `createNarrowedAnchor` would make it now. */
export function standsFor(anchor: Certificate, root: Certificate, trustDomain: string): boolean {
  return (
    isNarrowedAnchor(anchor, trustDomain) &&
    anchor.keyFingerprint === root.keyFingerprint &&
    Buffer.compare(anchor.subjectDer, root.subjectDer) === 0 &&
    anchor.subjectKeyId === root.subjectKeyId &&
    anchor.pathLength === root.pathLength &&
    anchor.notBefore.getTime() === root.notBefore.getTime() &&
    anchor.notAfter.getTime() === root.notAfter.getTime() &&
    anchor.extensions.nameConstraints !== undefined
  );
}

/** The serial number is also our mark, so that an entry is known for ours even where the annotation was lost. */
function markOf(keyFingerprint: string, trustDomain: string): string {
  const digest = createHash('sha256').update(
    `federate.dev narrowed anchor\n${keyFingerprint}\n${trustDomain}\n`,
  );
  const bytes = digest.digest().subarray(0, 16);
  // Positive and without leading zeros, so that DER has one form for it.
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
