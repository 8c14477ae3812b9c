import { z } from 'zod';
import { duration, evenIfWrong, path } from '../fields.ts';
import { kubernetes } from './kubernetes.ts';
import { labelledNamePrefix } from './name-prefix.ts';

/** `mesh` of kind `kuma`. */
export const kumaMesh = z
  .strictObject({
    kind: z.literal('kuma'),
    address: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        "Base URL of the control plane's REST API; without it MeshTrusts are read and written as Kubernetes objects.",
      ),
    token_file: path()
      .optional()
      .describe('With `address`: file with a user token that may change MeshTrusts.'),
    ca_file: path().optional().describe("With `address`: PEM file with what signs the API's certificate."),
    poll: duration().prefault('5s').describe('With `address`: how often the API is polled; it has no watch.'),
    ...kubernetes,
    namespace: z
      .string()
      .default('kuma-system')
      .describe('Without `address`: the namespace of the control plane, the only one for MeshTrusts.'),
    mesh: z.string().min(1).default('default').describe('The mesh of that control plane.'),
    name_prefix: labelledNamePrefix('MeshTrusts'),
    experimental_imports: z
      .boolean()
      .default(false)
      .describe(
        'With `address`, on Universal: write imports as Dataplane, MeshService and MeshIdentity. Kuma does not document this way.',
      ),
    origin: z
      .enum(['zone', 'global'])
      .optional()
      .describe(
        'Label `kuma.io/origin` of what is made: `zone` at the control plane of a federated zone, `global` at a global one.',
      ),
  })
  .superRefine((mesh, context) => {
    const rest = mesh.address !== undefined;
    for (const key of rest ? (['kubeconfig', 'context'] as const) : (['token_file', 'ca_file'] as const)) {
      if (mesh[key] === undefined) continue;
      const message = rest ? 'does not go with "address"' : 'goes with "address" only';
      context.addIssue({ code: 'custom', path: [key], message });
    }
  }, evenIfWrong);
