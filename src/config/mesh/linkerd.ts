import { z } from 'zod';
import { pinField, trustDomainField } from '../fields.ts';
import { kubernetes } from './kubernetes.ts';
import { labelledNamePrefix } from './name-prefix.ts';

/** `mesh` of kind `linkerd`. */
export const linkerdMesh = z
  .strictObject({
    kind: z.literal('linkerd'),
    ...kubernetes,
    namespace: z.string().default('linkerd').describe("Linkerd's own namespace."),
    trust_namespace: z
      .string()
      .default('cert-manager')
      .describe('Namespace in which trust-manager looks for its sources, and foreign anchors are written.'),
    bundle: z
      .string()
      .default('linkerd-identity-trust-roots')
      .describe("The Bundle of trust-manager with Linkerd's anchors in its target."),
    name_prefix: labelledNamePrefix('ConfigMaps'),
    linkerd_peers: z
      .array(trustDomainField())
      .default([])
      .describe(
        "Trust domains of peers whose workloads have Linkerd identities (DNS names): only these can be narrowed for Linkerd's proxies, all others are refused.",
      ),
    pinned_roots: z
      .array(pinField())
      .default([])
      .describe(
        "The anchors that are the mesh's own, `sha256:` and the digest of the key or of the certificate; without any, all that do not bear our mark.",
      ),
    accept_unnarrowed_roots: z
      .boolean()
      .default(false)
      .describe(
        'Write foreign roots unchanged. Any of them can then speak for any identity, those of this mesh included. Needs `pinned_roots`.',
      ),
    accept_dns_clients: z
      .boolean()
      .default(false)
      .describe(
        'Write imports although the workloads of Linkerd show DNS names and no SPIFFE IDs. Only for peers whose proxies take such callers.',
      ),
  })
  .superRefine((mesh, context) => {
    if (!mesh.accept_unnarrowed_roots || mesh.pinned_roots.length > 0) return;
    const message =
      'is needed with accept_unnarrowed_roots: nothing else distinguishes own roots from foreign ones';
    context.addIssue({ code: 'custom', path: ['pinned_roots'], message });
  });
