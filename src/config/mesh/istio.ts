import { z } from 'zod';
import { duration, evenIfWrong, path } from '../fields.ts';
import { kubernetes } from './kubernetes.ts';

/** `mesh` of kind `istio`. */
export const istioMesh = z
  .strictObject({
    kind: z.literal('istio'),
    ...kubernetes,
    system_namespace: z.string().default('istio-system').describe('Namespace of the mesh ConfigMap.'),
    mesh_config_map: z
      .string()
      .default('istio')
      .describe('Name of the mesh ConfigMap; `istio-<revision>` for a revision.'),
    revisions: z
      .enum(['all', 'one'])
      .default('all')
      .describe(
        'Whether foreign roots are also written into the mesh ConfigMaps of the other revisions, which lie in the same namespace.',
      ),
    mesh_config_file: path()
      .optional()
      .describe(
        'Without Kubernetes: the file that istiod is given as `--meshConfig`, in a folder that the agent may write.',
      ),
    own_pem_files: z
      .array(path())
      .min(1)
      .optional()
      .describe("With `mesh_config_file`: PEM files with the roots of istiod's CA."),
    poll: duration().prefault('2s').describe('With `mesh_config_file`: how often the files are looked at.'),
    root_config_map: z
      .string()
      .default('istio-ca-root-cert')
      .describe('Name of the ConfigMap that holds the own roots.'),
    root_namespace: z
      .string()
      .default('istio-system')
      .describe('Namespace from which that ConfigMap is read.'),
    services_namespace: z
      .string()
      .optional()
      .describe(
        'Namespace in which ServiceEntries and DestinationRules of imported services are written; by default `system_namespace`.',
      ),
    accept_unnarrowed_roots: z
      .boolean()
      .default(false)
      .describe(
        'Write foreign roots unchanged. Any of them can then speak for any trust domain, this one included.',
      ),
  })
  .superRefine((mesh, context) => {
    const inFiles = mesh.mesh_config_file !== undefined;
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (inFiles && mesh.own_pem_files === undefined)
      refuse('own_pem_files', 'is needed with mesh_config_file: no ConfigMap has the roots');
    if (!inFiles && mesh.own_pem_files !== undefined)
      refuse(
        'own_pem_files',
        'goes with mesh_config_file; in Kubernetes the roots are read from root_config_map',
      );
    for (const key of ['kubeconfig', 'context', 'services_namespace'] as const)
      if (inFiles && mesh[key] !== undefined)
        refuse(key, 'does not go with mesh_config_file, which works without Kubernetes');
  }, evenIfWrong);
