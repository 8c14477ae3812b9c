import {
  bundleOf,
  CertificateError,
  isTrustDomain,
  parseCertificate,
  pemFromCertificates,
  type TrustBundle,
} from '../../../spiffe/index.ts';
import type { SdsSecret } from '../../../workload-api/index.ts';
import { authoritiesOfPem } from '../authorities-of-pem.ts';
import type { OwnRoot } from '../certificate-authority.ts';
import type { ForeignStatus } from '../control-status.ts';
import { type MeshConfig, MeshConfigError } from './mesh-config.ts';

/**
 * The foreign anchors of istiod: merged into one pool, together with the trust domains that the
 * entries name.
 */
export interface ForeignAnchors {
  /** PEM texts as they stand in the entries. */
  readonly pems: readonly string[];
  readonly foreign: readonly ForeignStatus[];
  /**
   * For workloads: each trust domain with the anchors of the entries that name it. An anchor that
   * names none is in no bundle.
   */
  readonly bundles: readonly TrustBundle[];
}

/** Before the first config, and without `ISTIO_MULTIROOT_MESH`. */
export const NO_FOREIGN_ANCHORS: ForeignAnchors = { pems: [], foreign: [], bundles: [] };

/**
 * Reads the anchors of `caCertificates`, all or none: one entry with a first PEM block that is not
 * a CA certificate makes istiod refuse the whole set. As in the product nothing binds an anchor to
 * its `trustDomains`, and further blocks of an entry are ignored. Throws `MeshConfigError`
 * `ca-certificate-malformed`.
 */
export function readForeignAnchors(config: MeshConfig): ForeignAnchors {
  const pems: string[] = [];
  const foreign: ForeignStatus[] = [];
  for (const [index, entry] of config.caCertificates.entries()) {
    if (entry.pem === undefined) continue;
    const source = `caCertificates[${index}]`;
    const fingerprint = checkFirstCertificate(entry.pem, source);
    pems.push(entry.pem);
    for (const trustDomain of entry.trustDomains)
      foreign.push({ trustDomain, fingerprints: [fingerprint], source });
  }
  return { pems, foreign: merged(foreign), bundles: bundlesIn(config) };
}

/**
 * What every proxy of the mesh verifies against: one pool of the own roots and the foreign anchors,
 * and the list of admitted URI SAN prefixes. Any root of the pool can sign for any trust domain.
 */
export function mergedValidationSecret(options: {
  readonly name: string;
  readonly ownRoots: readonly OwnRoot[];
  readonly anchors: ForeignAnchors;
  readonly config: MeshConfig;
}): SdsSecret {
  const { name, ownRoots, anchors, config } = options;
  const accepted = new Set([
    config.trustDomain,
    ...config.trustDomainAliases,
    ...config.caCertificates.flatMap((entry) => entry.trustDomains),
  ]);
  const own = pemFromCertificates(ownRoots.map((root) => root.authority.der));
  return {
    name,
    kind: 'merged-validation',
    trustedCaPem: [own, ...anchors.pems].map((pem) => `${pem.trimEnd()}\n`).join(''),
    allowedUriSans: [...accepted].map((trustDomain) => ({ prefix: `spiffe://${trustDomain}/` })),
  };
}

const FIRST_BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/;

function checkFirstCertificate(pem: string, source: string): string {
  const refused = (what: string, cause?: unknown) =>
    new MeshConfigError(
      'ca-certificate-malformed',
      `${source} is refused, and the whole set with it: ${what}`,
      {
        cause,
      },
    );
  const body = FIRST_BLOCK.exec(pem)?.[1];
  if (body === undefined) throw refused('the PEM certificate is missing');
  try {
    const certificate = parseCertificate(Buffer.from(body, 'base64'));
    if (certificate.isCa) return certificate.fingerprint;
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw refused('the certificate does not parse', error);
  }
  throw refused('the certificate is not a CA certificate');
}

function merged(foreign: readonly ForeignStatus[]): ForeignStatus[] {
  return [...Map.groupBy(foreign, ({ trustDomain }) => trustDomain)].map(([trustDomain, entries]) => ({
    trustDomain,
    fingerprints: entries.flatMap((entry) => entry.fingerprints),
    source: entries.map((entry) => entry.source).join(', '),
  }));
}

function bundlesIn({ caCertificates }: MeshConfig): TrustBundle[] {
  const named = caCertificates.flatMap(({ pem, trustDomains }) =>
    pem === undefined ? [] : trustDomains.filter(isTrustDomain).map((trustDomain) => ({ trustDomain, pem })),
  );
  return [...Map.groupBy(named, ({ trustDomain }) => trustDomain)].map(([trustDomain, entries]) =>
    bundleOf(
      trustDomain,
      entries.flatMap(({ pem }) => authoritiesOfPem(pem)),
    ),
  );
}
