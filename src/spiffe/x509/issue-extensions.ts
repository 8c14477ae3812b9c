import { CONSTRUCTED, CONTEXT, Tag } from '../base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../base/der-writer.ts';
import { KEY_USAGE_NAMES, type KeyUsageName } from './extensions.ts';

/** An extension for a new certificate. */
export interface ExtensionRequest {
  readonly oid: string;
  readonly critical: boolean;
  /** The DER inside the OCTET STRING. */
  readonly value: Uint8Array;
}

/**
 * Name constraints for a new certificate; IP subtrees as `address/prefix length`, for instance
 * `0.0.0.0/0` and `::/0`.
 */
export interface NameConstraintsRequest {
  readonly permittedUris?: readonly string[];
  readonly permittedDns?: readonly string[];
  readonly permittedEmails?: readonly string[];
  readonly permittedIps?: readonly string[];
  readonly excludedUris?: readonly string[];
  readonly excludedDns?: readonly string[];
  readonly excludedEmails?: readonly string[];
  readonly excludedIps?: readonly string[];
}

const EMAIL = CONTEXT | 1;
const DNS = CONTEXT | 2;
const URI = CONTEXT | 6;
const IP = CONTEXT | 7;

/** basicConstraints, critical (RFC 5280 §4.2.1.9). */
export function basicConstraintsExtension(isCa: boolean, pathLength: number | undefined): ExtensionRequest {
  const parts = isCa ? [derElement(Tag.boolean, Uint8Array.of(0xff))] : [];
  if (pathLength !== undefined) parts.push(derInteger(pathLength));
  return { oid: '2.5.29.19', critical: true, value: derElement(Tag.sequence, ...parts) };
}

/** keyUsage, critical (X509-10, X509-15). */
export function keyUsageExtension(usages: readonly KeyUsageName[]): ExtensionRequest {
  const bits = usages.map((usage) => KEY_USAGE_NAMES.indexOf(usage));
  const highest = Math.max(...bits);
  const bytes = new Uint8Array(Math.floor(highest / 8) + 1);
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return {
    oid: '2.5.29.15',
    critical: true,
    value: derElement(Tag.bitString, Uint8Array.of(7 - (highest & 7)), bytes),
  };
}

/** extendedKeyUsage, not critical (X509-12), of the purposes' object identifiers. */
export function extendedKeyUsageExtension(purposes: readonly string[]): ExtensionRequest {
  const oids = purposes.map(derObjectIdentifier);
  return { oid: '2.5.29.37', critical: false, value: derElement(Tag.sequence, ...oids) };
}

/** subjectAltName. */
export function subjectAltNameExtension(
  critical: boolean,
  uris: readonly string[],
  dnsNames: readonly string[],
): ExtensionRequest {
  const names = [...uris.map((uri) => text(URI, uri)), ...dnsNames.map((name) => text(DNS, name))];
  return { oid: '2.5.29.17', critical, value: derElement(Tag.sequence, ...names) };
}

/** subjectKeyIdentifier. */
export function subjectKeyIdExtension(keyId: Uint8Array): ExtensionRequest {
  return { oid: '2.5.29.14', critical: false, value: derElement(Tag.octetString, keyId) };
}

/** authorityKeyIdentifier with the key identifier alone. */
export function authorityKeyIdExtension(keyId: Uint8Array): ExtensionRequest {
  return { oid: '2.5.29.35', critical: false, value: derElement(Tag.sequence, derElement(CONTEXT, keyId)) };
}

/** nameConstraints, critical (RFC 5280 §4.2.1.10). Throws `TypeError` for an invalid IP subtree. */
export function nameConstraintsExtension(request: NameConstraintsRequest): ExtensionRequest {
  const permitted = subtrees(
    request.permittedUris,
    request.permittedDns,
    request.permittedEmails,
    request.permittedIps,
  );
  const excluded = subtrees(
    request.excludedUris,
    request.excludedDns,
    request.excludedEmails,
    request.excludedIps,
  );
  const parts: Uint8Array[] = [];
  if (permitted.length > 0) parts.push(derElement(CONTEXT | CONSTRUCTED | 0, ...permitted));
  if (excluded.length > 0) parts.push(derElement(CONTEXT | CONSTRUCTED | 1, ...excluded));
  return { oid: '2.5.29.30', critical: true, value: derElement(Tag.sequence, ...parts) };
}

function subtrees(
  uris: readonly string[] = [],
  dnsNames: readonly string[] = [],
  emails: readonly string[] = [],
  ips: readonly string[] = [],
): Uint8Array[] {
  return [
    ...uris.map((uri) => text(URI, uri)),
    ...dnsNames.map((name) => text(DNS, name)),
    ...emails.map((email) => text(EMAIL, email)),
    ...ips.map((subtree) => derElement(IP, addressAndMask(subtree))),
  ].map((base) => derElement(Tag.sequence, base));
}

function text(tag: number, value: string): Uint8Array {
  return derElement(tag, Buffer.from(value, 'utf8'));
}

function addressAndMask(subtree: string): Uint8Array {
  const [, address = '', prefixText = ''] = /^(.+)\/([0-9]{1,3})$/.exec(subtree) ?? [];
  const bytes = addressBytes(address);
  const prefix = Number(prefixText);
  if (!bytes || prefix > bytes.length * 8)
    throw new TypeError(`${subtree} is not an address with a prefix length`);
  const mask = bytes.map((_, index) => 0xff & ~(0xff >> Math.min(8, Math.max(0, prefix - index * 8))));
  return Uint8Array.from([...bytes, ...mask]);
}

function addressBytes(address: string): number[] | undefined {
  if (/^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(address)) {
    const bytes = address.split('.').map(Number);
    return bytes.every((byte) => byte <= 255) ? bytes : undefined;
  }
  if (!/^[0-9a-f:]+$/i.test(address)) return undefined;
  const [head = '', tail, more] = address.split('::');
  if (more !== undefined) return undefined;
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const missing = 8 - before.length - after.length;
  if (missing < 0 || (tail === undefined && missing !== 0)) return undefined;
  const all = [...before, ...Array.from({ length: missing }, () => 0), ...after];
  if (all.some((group) => !(group >= 0 && group <= 0xffff))) return undefined;
  return all.flatMap((group) => [group >> 8, group & 0xff]);
}
