import { parseDocument } from 'yaml';
import { isMapping } from '../../../objects/index.ts';
import { CodedError } from '../../../spiffe/index.ts';

/** One entry of `caCertificates`: a certificate, or a URL from which istiod would fetch some. */
export interface CaCertificatesEntry {
  readonly pem?: string;
  readonly spiffeBundleUrl?: string;
  readonly trustDomains: readonly string[];
}

/** What istiod reads from key `mesh` of the mesh ConfigMap, as far as trust needs it. */
export interface MeshConfig {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly caCertificates: readonly CaCertificatesEntry[];
}

type MeshConfigErrorCode = 'mesh-config-malformed' | 'ca-certificate-malformed';

/** istiod refuses the mesh config, or its set of roots, and keeps the one before. */
export class MeshConfigError extends CodedError<MeshConfigErrorCode> {}

/** Reads key `mesh`. Throws `MeshConfigError` `mesh-config-malformed`. */
export function parseMeshConfig(text: string): MeshConfig {
  const document = parseDocument(text);
  if (document.errors[0]) throw malformed(document.errors[0].message, document.errors[0]);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw malformed('too many aliases', error);
  }
  const mesh = record(value ?? {}, 'the document');
  const entries = mesh['caCertificates'] ?? [];
  if (!Array.isArray(entries)) throw malformed('caCertificates is not a list');
  return {
    trustDomain: string(mesh['trustDomain'] ?? 'cluster.local', 'trustDomain'),
    trustDomainAliases: strings(mesh['trustDomainAliases'], 'trustDomainAliases'),
    caCertificates: entries.map((entry, index) => parseEntry(entry, `caCertificates[${index}]`)),
  };
}

function parseEntry(value: unknown, where: string): CaCertificatesEntry {
  const entry = record(value, where);
  const { pem, spiffeBundleUrl } = { pem: entry['pem'], spiffeBundleUrl: entry['spiffeBundleUrl'] };
  if (pem !== undefined && spiffeBundleUrl !== undefined)
    throw malformed(`${where} has both pem and spiffeBundleUrl`);
  return {
    ...(pem !== undefined && { pem: string(pem, `${where}.pem`) }),
    ...(spiffeBundleUrl !== undefined && {
      spiffeBundleUrl: string(spiffeBundleUrl, `${where}.spiffeBundleUrl`),
    }),
    trustDomains: strings(entry['trustDomains'], `${where}.trustDomains`),
  };
}

function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (isMapping(value)) return value;
  throw malformed(`${where} is not a mapping`);
}

function string(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  throw malformed(`${where} is not a string`);
}

function strings(value: unknown, where: string): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw malformed(`${where} is not a list`);
  return value.map((each, index) => string(each, `${where}[${index}]`));
}

function malformed(what: string, cause?: unknown): MeshConfigError {
  return new MeshConfigError(
    'mesh-config-malformed',
    `the mesh config could not be read: ${what}`,
    cause === undefined ? {} : { cause },
  );
}
