import { z } from 'zod';
import { kubernetes } from '../mesh/kubernetes.ts';
import { labelledNamePrefix } from '../mesh/name-prefix.ts';

/** `cluster_trust_bundles`: an output in addition to the mesh. */
export const clusterTrustBundles = z.strictObject({
  ...kubernetes,
  signer_name: z
    .string()
    .regex(/^[a-z0-9.-]+\/[a-z0-9._-]+$/, 'a signer is "domain/name", such as "federate.example/peers"')
    .optional()
    .describe(
      'Signer of the objects; their names then begin with it, and writing them needs the verb `attest` on that signer. Without it they belong to no signer.',
    ),
  name_prefix: labelledNamePrefix('ClusterTrustBundles'),
  accept_unnarrowed_roots: z
    .boolean()
    .default(false)
    .describe('Write foreign roots unchanged. A pod that mounts one lets it speak for any identity.'),
});
