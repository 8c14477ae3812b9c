import { createHash, createPublicKey } from 'node:crypto';
import type { X509Authority } from './bundle.ts';
import { isTrustDomain, type TrustDomain } from './trust-domain.ts';
import { type Certificate, parseCertificate } from './x509-certificate.ts';
import { EXTENDED_KEY_USAGE_OIDS } from './x509-extensions.ts';
import { generateKeyPair, issueCertificate } from './x509-issue.ts';

/**
 * What the identities are that an anchor may speak for: SPIFFE IDs of the trust domain, or DNS names below it as Linkerd
 * has them. Everything else is shut out.
 */
export type AnchorIdentities = 'uri' | 'dns';

/**
 * An anchor for a merged pool that stands for `root` but can speak for `trustDomain` alone (mesh-surfaces §9): same
 * subject, key and key identifier, and critical name constraints. A throwaway key signs it; nobody checks an anchor's
 * signature. Two calls give certificates that differ in their signature only.
 */
export async function createNarrowedAnchor(
  root: X509Authority,
  trustDomain: TrustDomain,
  identities: AnchorIdentities = 'uri',
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
    serialNumber: markOf(certificate.keyFingerprint, trustDomain, identities),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    isCa: true,
    ...(pathLength === undefined ? {} : { pathLength }),
    keyUsage: ['keyCertSign'],
    // A root that limits what its leaves are for goes on limiting it.
    ...(certificate.extendedKeyUsage ? { extendedKeyUsage: purposes } : {}),
    ...(subjectKeyId === undefined ? { withKeyIdentifiers: false } : { subjectKeyId }),
    nameConstraints: {
      permittedUris: [identities === 'uri' ? trustDomain : nobody],
      permittedDns: [identities === 'dns' ? trustDomain : nobody],
      permittedEmails: [nobody],
      excludedIps: ['0.0.0.0/0', '::/0'],
    },
  });
}

/** Whether `certificate` is an anchor that `createNarrowedAnchor` made for SPIFFE IDs of `trustDomain`, told by its serial number. */
export function isNarrowedAnchor(certificate: Certificate, trustDomain: string): boolean {
  return certificate.serialNumberHex === markOf(certificate.keyFingerprint, trustDomain, 'uri');
}

/** Whether `certificate` is an anchor that `createNarrowedAnchor` made for DNS names, of whichever trust domain. */
export function isDnsNarrowedAnchor(certificate: Certificate): boolean {
  return certificate.serialNumberHex === markOf(certificate.keyFingerprint, '', 'dns');
}

/** For whom an anchor speaks that `createNarrowedAnchor` made for DNS names; undefined for every other certificate. */
export function trustDomainOfDnsAnchor(certificate: Certificate): TrustDomain | undefined {
  if (!isDnsNarrowedAnchor(certificate)) return undefined;
  const permitted = certificate.extensions.nameConstraints?.permitted ?? [];
  const { host = '' } = permitted.find(({ kind }) => kind === 'dns') ?? {};
  return isTrustDomain(host) ? host : undefined;
}

/** Whether `anchor` still stands for `root` as `createNarrowedAnchor` would make it now. */
export function standsFor(
  anchor: Certificate,
  root: Certificate,
  trustDomain: string,
  identities: AnchorIdentities = 'uri',
): boolean {
  return (
    anchor.serialNumberHex === markOf(anchor.keyFingerprint, trustDomain, identities) &&
    anchor.keyFingerprint === root.keyFingerprint &&
    Buffer.compare(anchor.subjectDer, root.subjectDer) === 0 &&
    anchor.subjectKeyId === root.subjectKeyId &&
    anchor.pathLength === root.pathLength &&
    anchor.notBefore.getTime() === root.notBefore.getTime() &&
    anchor.notAfter.getTime() === root.notAfter.getTime() &&
    anchor.extensions.nameConstraints !== undefined
  );
}

/**
 * The serial number is also our mark, so that an entry is known for ours even where the annotation was lost. That of an
 * anchor for DNS names does not hang on the trust domain: where it stands nothing says for whom it is.
 */
function markOf(keyFingerprint: string, trustDomain: string, identities: AnchorIdentities): string {
  const whom = identities === 'uri' ? trustDomain : '*';
  const digest = createHash('sha256').update(`federate.dev narrowed anchor\n${keyFingerprint}\n${whom}\n`);
  const bytes = digest.digest().subarray(0, 16);
  // Positive and without leading zeros, so that DER has one form for it.
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
