import {
  bundleOf,
  CertificateError,
  certificatesFromPem,
  isTrustDomain,
  parseCertificate,
  PemError,
  pemFromCertificates,
  type TrustBundle,
  type TrustDomain,
} from '../../../spiffe/index.ts';
import type { SdsSecret } from '../../../workload-api/index.ts';
import { authoritiesOfPem } from '../authorities-of-pem.ts';
import type { OwnRoot } from '../certificate-authority.ts';
import type { ForeignStatus } from '../control-status.ts';
import type { Peering } from './consul-state.ts';

/**
 * What every proxy of the cluster verifies against: one bundle for each trust domain, the own one
 * first. As in the product the map is filled peering by peering, so a peer that claims another's
 * trust domain, or ours, replaces it. A name that is not a trust domain is left out: no proxy could
 * accept it.
 */
export function perDomainValidationSecret(options: {
  readonly name: string;
  readonly trustDomain: TrustDomain;
  readonly ownRoots: readonly OwnRoot[];
  readonly peerings: readonly Peering[];
}): SdsSecret {
  const own = pemFromCertificates(options.ownRoots.map((root) => root.authority.der));
  const bundles = new Map<TrustDomain, string>([[options.trustDomain, own]]);
  for (const { trustBundle } of options.peerings) {
    if (!trustBundle || !isTrustDomain(trustBundle.trustDomain) || trustBundle.rootPems.length === 0)
      continue;
    bundles.set(trustBundle.trustDomain, trustBundle.rootPems.map((pem) => `${pem.trimEnd()}\n`).join(''));
  }
  return {
    name: options.name,
    kind: 'spiffe-validation',
    trustDomains: [...bundles].map(([name, trustBundlePem]) => ({ name, trustBundlePem })),
  };
}

/**
 * The same foreign trust for workloads: what cannot be read as an authority is left out, and
 * nothing else with it.
 */
export function foreignBundles(peerings: readonly Peering[]): TrustBundle[] {
  return peerings.flatMap(({ trustBundle }) =>
    trustBundle && isTrustDomain(trustBundle.trustDomain)
      ? [bundleOf(trustBundle.trustDomain, trustBundle.rootPems.flatMap(authoritiesOfPem))]
      : [],
  );
}

/** What the peers sent, for the operator. */
export function foreignStatus(peerings: readonly Peering[]): ForeignStatus[] {
  return peerings.flatMap(({ name, trustBundle }) =>
    trustBundle
      ? [
          {
            trustDomain: trustBundle.trustDomain,
            fingerprints: trustBundle.rootPems.flatMap(fingerprintsOf),
            source: name,
          },
        ]
      : [],
  );
}

/** Empty for what does not parse: the product keeps it, and only a proxy would notice. */
function fingerprintsOf(pem: string): string[] {
  try {
    return certificatesFromPem(pem).map((der) => parseCertificate(der).fingerprint);
  } catch (error) {
    if (error instanceof PemError || error instanceof CertificateError) return [];
    throw error;
  }
}
