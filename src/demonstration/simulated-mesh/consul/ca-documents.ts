import { createHash } from 'node:crypto';
import { parseCertificate, pemFromCertificates, type TrustDomain } from '../../../spiffe/index.ts';
import type { OwnRoot } from '../certificate-authority.ts';
import type { WorkloadSvid } from '../workload-identities.ts';

/** The body of `GET /v1/connect/ca/roots`: every trusted root, the signing one marked active. */
export function caRootsDocument(trustDomain: TrustDomain, roots: readonly OwnRoot[], index: number) {
  return {
    ActiveRootID: roots.filter((root) => root.phase === 'active').map(rootId)[0] ?? '',
    TrustDomain: trustDomain,
    Roots: roots.map((root) => rootDocument(root, index)),
  };
}

/**
 * The body of the same with `?pem=true`: roots and intermediates in one text, so a client should
 * not pin it.
 */
export function caRootsPem(roots: readonly OwnRoot[]): string {
  return pemFromCertificates(roots.flatMap((root) => [root.authority.der, ...helpersOf(root)]));
}

function rootDocument(root: OwnRoot, index: number) {
  const certificate = parseCertificate(root.authority.der);
  const signer = parseCertificate(root.intermediate ?? root.authority.der);
  return {
    ID: rootId(root),
    Name: `Consul CA Root Cert ${root.number}`,
    SerialNumber: shortSerialNumber(certificate.serialNumberHex),
    SigningKeyID: colonHex(signer.subjectKeyId ?? ''),
    ExternalTrustDomain: '',
    NotBefore: goInstant(root.authority.notBefore),
    NotAfter: goInstant(root.authority.notAfter),
    RootCert: pemFromCertificates([root.authority.der]),
    IntermediateCerts: helpersOf(root).map((der) => pemFromCertificates([der])),
    Active: root.phase === 'active',
    PrivateKeyType: 'ec',
    PrivateKeyBits: 256,
    CreateIndex: index,
    ModifyIndex: index,
  };
}

/** The body of `GET /v1/agent/connect/ca/leaf/<service>`. */
export function leafDocument(service: string, svid: WorkloadSvid, index: number) {
  const [leaf] = svid.chain;
  if (!leaf) throw new TypeError('unreachable: an SVID has a leaf');
  const certificate = parseCertificate(leaf);
  return {
    SerialNumber: colonHex(certificate.serialNumberHex),
    CertPEM: pemFromCertificates(svid.chain),
    PrivateKeyPEM: svid.privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
    Service: service,
    ServiceURI: svid.id,
    ValidAfter: goInstant(certificate.notBefore),
    ValidBefore: goInstant(certificate.notAfter),
    CreateIndex: index,
    ModifyIndex: index,
  };
}

function helpersOf(root: OwnRoot): Uint8Array[] {
  return [root.intermediate, root.crossSigned].filter((der) => der !== undefined);
}

/** The product names a root by the SHA-1 of its certificate; no security depends on it. */
function rootId(root: OwnRoot): string {
  return colonHex(createHash('sha1').update(root.authority.der).digest('hex'));
}

function colonHex(hex: string): string {
  return hex.match(/../g)?.join(':') ?? '';
}

/**
 * The product prints the low 64 bits as a number; we stay within what a JSON reader can hold
 * exactly.
 */
function shortSerialNumber(hex: string): number {
  return Number.parseInt(hex.slice(-12), 16);
}

function goInstant(instant: Date): string {
  return `${instant.toISOString().slice(0, 19)}Z`;
}
