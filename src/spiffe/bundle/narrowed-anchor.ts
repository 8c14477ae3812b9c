import { createHash, sign } from 'node:crypto';
import type { X509Authority } from './bundle.ts';
import { BundleError } from './bundle-error.ts';
import { CONSTRUCTED, CONTEXT, DerReader, Tag } from '../base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../base/der-writer.ts';
import { readingProblem } from './interoperable-authority.ts';
import { isTrustDomain, type TrustDomain } from '../id/trust-domain.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { EXTENDED_KEY_USAGE_OIDS } from '../x509/extensions.ts';
import { generateKeyPair } from '../x509/issue.ts';
import {
  basicConstraintsExtension,
  type ExtensionRequest,
  extendedKeyUsageExtension,
  keyUsageExtension,
  nameConstraintsExtension,
  subjectKeyIdExtension,
} from '../x509/issue-extensions.ts';

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';

/**
 * The kind of identities an anchor may prove: SPIFFE IDs of the trust domain, or DNS names below it
 * as Linkerd uses them. Everything else is excluded.
 */
export type AnchorIdentities = 'uri' | 'dns';

/**
 * Makes an anchor for a merged pool that replaces `root` but can speak for `trustDomain` alone
 * (docs/narrowing.md). It has the same subject, key, key identifier and dates, and critical name
 * constraints. Because no verifier checks an anchor's signature, a throwaway key signs it. Two
 * calls give certificates that differ in their signature only. The root's own fields are copied
 * byte for byte. Throws `BundleError` `authority-not-narrowable` for a root with name constraints
 * of its own, which the anchor would remove, and where some program could not read the anchor.
 */
export async function createNarrowedAnchor(
  root: X509Authority,
  trustDomain: TrustDomain,
  identities: AnchorIdentities = 'uri',
): Promise<Uint8Array> {
  const certificate = parseCertificate(root.der);
  if (certificate.extensions.nameConstraints)
    throw notNarrowable(root, 'it has name constraints of its own, which the anchor would lift');
  const problem = readingProblem(root);
  if (problem !== undefined)
    throw notNarrowable(root, `other programs could not read its anchor: ${problem}`);
  if (!isConstraint(trustDomain))
    throw notNarrowable(root, `${trustDomain} cannot be a name constraint, because it is not a DNS name`);
  const throwaway = await generateKeyPair('P-256');
  const { subjectDer, spkiDer, keyFingerprint } = certificate;
  const algorithm = derElement(Tag.sequence, derObjectIdentifier(ECDSA_WITH_SHA256));
  const extensions = extensionsOf(certificate, trustDomain, identities).map(({ oid, critical, value }) =>
    derElement(
      Tag.sequence,
      derObjectIdentifier(oid),
      ...(critical ? [derElement(Tag.boolean, Uint8Array.of(0xff))] : []),
      derElement(Tag.octetString, value),
    ),
  );
  const tbs = derElement(
    Tag.sequence,
    derElement(CONTEXT | CONSTRUCTED | 0, derInteger(2)),
    derElement(Tag.integer, Buffer.from(markOf(keyFingerprint, trustDomain, identities), 'hex')),
    algorithm,
    subjectDer,
    validityOf(certificate),
    subjectDer,
    spkiDer,
    derElement(CONTEXT | CONSTRUCTED | 3, derElement(Tag.sequence, ...extensions)),
  );
  const signature = sign('sha256', tbs, throwaway.privateKey);
  return Uint8Array.from(
    derElement(Tag.sequence, tbs, algorithm, derElement(Tag.bitString, Uint8Array.of(0), signature)),
  );
}

/**
 * Go does not accept an address as the host of a URI constraint, or a label of more than 63
 * characters.
 */
function isConstraint(trustDomain: TrustDomain): boolean {
  return (
    /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(trustDomain) && !/(?:^|\.)[0-9]+$/.test(trustDomain)
  );
}

function notNarrowable({ subject }: X509Authority, why: string): BundleError {
  return new BundleError(
    'authority-not-narrowable',
    `the root ${JSON.stringify(subject)} cannot be narrowed: ${why}`,
  );
}

function extensionsOf(
  { pathLength, subjectKeyId, extendedKeyUsage }: Certificate,
  trustDomain: TrustDomain,
  identities: AnchorIdentities,
): ExtensionRequest[] {
  const nobody = `${trustDomain}.invalid`;
  return [
    basicConstraintsExtension(true, pathLength),
    keyUsageExtension(['keyCertSign']),
    // A root that limits what its leaves are for goes on limiting it.
    ...(extendedKeyUsage ? [extendedKeyUsageExtension(purposesToKeep(extendedKeyUsage))] : []),
    nameConstraintsExtension({
      permittedUris: [identities === 'uri' ? trustDomain : nobody],
      permittedDns: [identities === 'dns' ? trustDomain : nobody],
      permittedEmails: [nobody],
      excludedIps: ['0.0.0.0/0', '::/0'],
    }),
    ...(subjectKeyId === undefined ? [] : [subjectKeyIdExtension(Buffer.from(subjectKeyId, 'hex'))]),
  ];
}

/**
 * The purposes of a root that matter to TLS; all its purposes where none does. The anchor allows
 * what the root allows. Its list is never empty, because no program reads an empty one.
 */
function purposesToKeep(purposes: ReadonlySet<string>): readonly string[] {
  const { serverAuth, clientAuth, any } = EXTENDED_KEY_USAGE_OIDS;
  const kept = [serverAuth, clientAuth, any].filter((purpose) => purposes.has(purpose));
  return kept.length > 0 ? kept : [...purposes];
}

/** The Validity as encoded in the certificate, because a date has more than one encoding. */
function validityOf({ tbsDer }: Certificate): Uint8Array {
  const tbs = new DerReader(tbsDer).enter(Tag.sequence);
  // Version, serial number, algorithm, issuer.
  for (let element = 0; element < 4; element += 1) tbs.element();
  return tbs.element(Tag.sequence);
}

/**
 * Whether `certificate` is an anchor that `createNarrowedAnchor` made for SPIFFE IDs of
 * `trustDomain`, by its serial number.
 */
export function isNarrowedAnchor(certificate: Certificate, trustDomain: string): boolean {
  return certificate.serialNumberHex === markOf(certificate.keyFingerprint, trustDomain, 'uri');
}

/**
 * Whether `certificate` is an anchor that `createNarrowedAnchor` made for DNS names, of any trust
 * domain.
 */
export function isDnsNarrowedAnchor(certificate: Certificate): boolean {
  return certificate.serialNumberHex === markOf(certificate.keyFingerprint, '', 'dns');
}

/**
 * The trust domain of an anchor that `createNarrowedAnchor` made for DNS names; undefined for every
 * other certificate.
 */
export function trustDomainOfDnsAnchor(certificate: Certificate): TrustDomain | undefined {
  if (!isDnsNarrowedAnchor(certificate)) return undefined;
  const permitted = certificate.extensions.nameConstraints?.permitted ?? [];
  const { host = '' } = permitted.find(({ kind }) => kind === 'dns') ?? {};
  return isTrustDomain(host) ? host : undefined;
}

/** Whether `anchor` is still what `createNarrowedAnchor` would make for `root` now. */
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
 * The serial number, which is also our mark: it identifies our entry even where the annotation was
 * lost. For DNS names it does not depend on the trust domain, because the place of such an anchor
 * does not state one.
 */
function markOf(keyFingerprint: string, trustDomain: string, identities: AnchorIdentities): string {
  const whom = identities === 'uri' ? trustDomain : '*';
  const digest = createHash('sha256').update(`federate.dev narrowed anchor\n${keyFingerprint}\n${whom}\n`);
  const bytes = digest.digest().subarray(0, 16);
  // Positive and without leading zeros, so that DER has one form for it.
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
