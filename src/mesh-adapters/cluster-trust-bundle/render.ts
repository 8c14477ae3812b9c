import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import type { ForeignObjectPlace } from '../kubernetes/foreign-objects.ts';
import { collectionOf } from '../kubernetes/kubernetes-object.ts';

/** The versions of the API that serve ClusterTrustBundles, the newest first. */
export const API_VERSIONS = ['v1', 'v1beta1', 'v1alpha1'] as const;
export type ApiVersion = (typeof API_VERSIONS)[number];

const SPEC = z.object({ trustBundle: z.string() }).catch({ trustBundle: '' });

/** How ClusterTrustBundles of ours are named. */
export interface ClusterTrustBundleMarks {
  readonly namePrefix: string;
  /**
   * Such as `federate.example/peers`. The API requires that the names of a signer's objects begin
   * with it.
   */
  readonly signerName?: string | undefined;
}

/**
 * Renders one ClusterTrustBundle for each foreign trust domain, for the whole cluster. See
 * docs/meshes/cluster-trust-bundles.md.
 */
export function clusterTrustBundlePlace(
  version: ApiVersion,
  { namePrefix, signerName }: ClusterTrustBundleMarks,
): ForeignObjectPlace {
  return {
    collection: collectionOf({
      kind: 'ClusterTrustBundle',
      api: `apis/certificates.k8s.io/${version}`,
      plural: 'clustertrustbundles',
    }),
    namePrefix: signerName === undefined ? namePrefix : `${signerName.replaceAll('/', ':')}:${namePrefix}`,
    render: (pem) => ({
      apiVersion: `certificates.k8s.io/${version}`,
      kind: 'ClusterTrustBundle',
      spec: { ...defined({ signerName }), trustBundle: pem },
    }),
    pemOf: ({ spec }) => SPEC.parse(spec).trustBundle,
  };
}
