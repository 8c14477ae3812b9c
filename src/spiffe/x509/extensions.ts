import { CONSTRUCTED, CONTEXT, DerError, DerReader, Tag } from '../base/der.ts';
import { type GeneralName, readGeneralName } from './general-name.ts';
import { type NameConstraints, readNameConstraints } from './name-constraints.ts';
import { readPolicyExtension, type PolicyExtensions } from './policy-extensions.ts';

/** The bits of keyUsage (RFC 5280 §4.2.1.3), by number. */
export const KEY_USAGE_NAMES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

export type KeyUsageName = (typeof KEY_USAGE_NAMES)[number];

export const EXTENDED_KEY_USAGE_OIDS = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  any: '2.5.29.37.0',
} as const;

/** The content of a certificate's extensions; an absent extension is an absent member. */
export interface CertificateExtensions {
  readonly basicConstraints?: {
    readonly critical: boolean;
    readonly isCa: boolean;
    readonly pathLength?: number;
  };
  readonly keyUsage?: { readonly critical: boolean; readonly usages: ReadonlySet<KeyUsageName> };
  /** The purposes' object identifiers. */
  readonly extendedKeyUsage?: { readonly critical: boolean; readonly purposes: ReadonlySet<string> };
  readonly subjectAltName?: { readonly critical: boolean; readonly names: readonly GeneralName[] };
  readonly nameConstraints?: NameConstraints & { readonly critical: boolean };
  /** Lower-case hex. */
  readonly subjectKeyId?: string;
  /** Lower-case hex. */
  readonly authorityKeyId?: string;
  readonly policies?: PolicyExtensions;
  /**
   * Critical extensions this implementation does not process, by object identifier (RFC 5280 §4.2).
   */
  readonly unknownCritical: readonly string[];
}

type Draft = { -readonly [Member in keyof CertificateExtensions]: CertificateExtensions[Member] };

const MAX_EXTENSIONS = 64;
const CERTIFICATE_POLICIES = '2.5.29.32';
/**
 * The key identifiers: RFC 5280 §4.2.1.1 and §4.2.1.2 require them to be not critical, since they
 * prove nothing.
 */
const NEVER_CRITICAL: ReadonlySet<string> = new Set(['2.5.29.14', '2.5.29.35']);

/**
 * Reads the content of the `[3]` element, or of none. Throws `DerError`, also for a repeated
 * extension.
 */
export function parseExtensions(explicit: DerReader | undefined): CertificateExtensions {
  const unknownCritical: string[] = [];
  const draft: Draft = { unknownCritical };
  if (!explicit) return draft;
  const sequence = explicit.enter(Tag.sequence);
  explicit.end();
  if (sequence.done) throw new DerError('an extensions element holds at least one extension');
  const seen = new Set<string>();
  while (!sequence.done) {
    const extension = sequence.enter(Tag.sequence);
    const oid = extension.objectIdentifier();
    if (seen.has(oid)) throw new DerError(`extension ${oid} occurs twice`);
    seen.add(oid);
    if (seen.size > MAX_EXTENSIONS)
      throw new DerError(`a certificate has at most ${MAX_EXTENSIONS} extensions`);
    const critical = extension.nextTag === Tag.boolean ? extension.boolean() : false;
    const value = extension.content(Tag.octetString);
    extension.end();
    const isKnown = readKnown(draft, oid, critical, value);
    if (critical && (!isKnown || NEVER_CRITICAL.has(oid))) unknownCritical.push(oid);
  }
  return draft;
}

function readKnown(draft: Draft, oid: string, critical: boolean, value: Uint8Array): boolean {
  let isKnown = true;
  const reader = new DerReader(value);
  switch (oid) {
    case '2.5.29.14':
      draft.subjectKeyId = Buffer.from(reader.content(Tag.octetString)).toString('hex');
      break;
    case '2.5.29.15':
      draft.keyUsage = { critical, usages: readKeyUsage(reader) };
      break;
    case '2.5.29.17':
      draft.subjectAltName = { critical, names: readGeneralNames(reader) };
      break;
    case '2.5.29.19':
      draft.basicConstraints = { critical, ...readBasicConstraints(reader) };
      break;
    case '2.5.29.30':
      draft.nameConstraints = { critical, ...readNameConstraints(reader) };
      break;
    case '2.5.29.35': {
      const keyId = readAuthorityKeyId(reader);
      if (keyId !== undefined) draft.authorityKeyId = keyId;
      break;
    }
    case '2.5.29.37':
      draft.extendedKeyUsage = { critical, purposes: readExtendedKeyUsage(reader) };
      break;
    default: {
      const policies = readPolicyExtension(draft.policies, oid, reader);
      if (!policies) return false;
      draft.policies = policies;
      // RFC 5280 §4.2.1.4: a reader that cannot interpret a qualifier of critical policies has to
      // refuse the certificate.
      if (oid === CERTIFICATE_POLICIES && critical && policies.unknownQualifier) isKnown = false;
    }
  }
  reader.end();
  return isKnown;
}

function readKeyUsage(reader: DerReader): ReadonlySet<KeyUsageName> {
  const usages = new Set<KeyUsageName>();
  for (const bit of reader.namedBits()) {
    const name = KEY_USAGE_NAMES[bit];
    if (name) usages.add(name);
  }
  if (usages.size === 0) throw new DerError('a key usage extension sets at least one bit');
  return usages;
}

function readBasicConstraints(reader: DerReader): { isCa: boolean; pathLength?: number } {
  const sequence = reader.enter(Tag.sequence);
  const isCa = sequence.nextTag === Tag.boolean ? sequence.boolean() : false;
  // RFC 5280 sets no bound. A number longer than any path has no effect, but it is still a number.
  const pathLength = sequence.nextTag === Tag.integer ? sequence.smallInteger(0xffff_ffff) : undefined;
  sequence.end();
  return pathLength === undefined ? { isCa } : { isCa, pathLength };
}

function readExtendedKeyUsage(reader: DerReader): ReadonlySet<string> {
  const sequence = reader.enter(Tag.sequence);
  const purposes = new Set<string>();
  do {
    purposes.add(sequence.objectIdentifier());
    if (purposes.size > 100) throw new DerError('an extended key usage extension has at most 100 purposes');
  } while (!sequence.done);
  return purposes;
}

function readGeneralNames(reader: DerReader): GeneralName[] {
  const sequence = reader.enter(Tag.sequence);
  const names: GeneralName[] = [];
  do {
    names.push(readGeneralName(sequence));
  } while (!sequence.done);
  return names;
}

function readAuthorityKeyId(reader: DerReader): string | undefined {
  const sequence = reader.enter(Tag.sequence);
  const keyId = sequence.nextTag === CONTEXT ? sequence.content(CONTEXT) : undefined;
  if (sequence.nextTag === (CONTEXT | CONSTRUCTED | 1)) sequence.content(CONTEXT | CONSTRUCTED | 1);
  if (sequence.nextTag === (CONTEXT | 2)) sequence.integer(CONTEXT | 2);
  sequence.end();
  return keyId && Buffer.from(keyId).toString('hex');
}
