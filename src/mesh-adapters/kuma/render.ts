import { defined } from '../../objects/index.ts';
import { pemFromCertificates, type TrustDomain, type X509Authority } from '../../spiffe/index.ts';
import { ownedNameOf } from '../contract/owned-name.ts';
import type { MeshTrust } from './mesh-trust.ts';
import type { WantedMeshTrust } from './mesh-trusts.ts';

/** The label that marks a MeshTrust under our prefix as ours. */
const OWNER_LABEL = 'federate.dev/foreign-trust';
const OWNER_VALUE = 'true';
const ORIGIN_LABEL = 'kuma.io/origin';

/** How MeshTrusts of ours are named and labelled. */
export interface MeshTrustMarks {
  readonly mesh: string;
  readonly namePrefix: string;
  /** Where the control plane requires the side of a zone on which an object was made. */
  readonly origin: 'zone' | 'global' | undefined;
}

/** The name of the MeshTrust of a trust domain; meshes share one namespace in Kubernetes. */
export function meshTrustNameOf(trustDomain: TrustDomain, { mesh, namePrefix }: MeshTrustMarks): string {
  return ownedNameOf(trustDomain, namePrefix, mesh === 'default' ? '' : `${mesh}\n`);
}

/** A MeshTrust for these roots, each in a bundle of its own, in one order. */
export function renderMeshTrust(
  trustDomain: TrustDomain,
  roots: readonly X509Authority[],
  marks: MeshTrustMarks,
): WantedMeshTrust {
  return {
    name: meshTrustNameOf(trustDomain, marks),
    labels: {
      [OWNER_LABEL]: OWNER_VALUE,
      ...defined({ [ORIGIN_LABEL]: marks.origin }),
    },
    spec: {
      trustDomain,
      caBundles: [...roots]
        .sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
        .map(({ der }) => ({ type: 'Pem', pem: { value: pemFromCertificates([der]) } })),
    },
  };
}

/**
 * Whether the MeshTrust is one that we made: under our prefix, with our label, and not made from a
 * MeshIdentity.
 */
export function isOwned(trust: MeshTrust, { namePrefix }: MeshTrustMarks): boolean {
  return (
    trust.originKri === undefined &&
    trust.name.startsWith(namePrefix) &&
    trust.labels[OWNER_LABEL] === OWNER_VALUE
  );
}

/** Whether the MeshTrust already has the wanted content. */
export function matches(trust: MeshTrust, { labels, spec }: WantedMeshTrust): boolean {
  return (
    trust.trustDomain === spec.trustDomain &&
    trust.pems.length === spec.caBundles.length &&
    spec.caBundles.every(({ pem }, index) => pem.value === trust.pems[index]) &&
    Object.entries(labels).every(([key, value]) => trust.labels[key] === value)
  );
}
