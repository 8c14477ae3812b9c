import type { AgentConfig } from '../config/agent-config.ts';
import { resolvePath } from '../config/fields.ts';
import {
  createConsulAdapter,
  createFilesAdapter,
  createIstioAdapter,
  createKumaAdapter,
  type KubernetesSource,
  type MeshAdapter,
} from '../../mesh-adapters/index.ts';
import type { ProcessContext } from '../process.ts';

/** The adapter for the mesh that the config names. */
export function createMeshAdapter(
  config: AgentConfig,
  folder: string,
  { clock, random, log }: ProcessContext,
): MeshAdapter {
  const { mesh } = config;
  switch (mesh.kind) {
    case 'istio':
      return createIstioAdapter({
        kubernetes: kubernetesSource(mesh, folder),
        systemNamespace: mesh.system_namespace,
        meshConfigMap: mesh.mesh_config_map,
        rootConfigMap: { namespace: mesh.root_namespace, name: mesh.root_config_map },
        acceptUnnarrowed: mesh.accept_unnarrowed_roots,
        clock,
        random,
        log: log.with({ mesh: 'istio' }),
      });
    case 'consul':
      return createConsulAdapter({
        address: mesh.address,
        ...(mesh.token_file === undefined ? {} : { tokenFile: resolvePath(folder, mesh.token_file) }),
        peerNamePrefix: mesh.peer_name_prefix,
        clock,
        random,
        log: log.with({ mesh: 'consul' }),
      });
    case 'kuma':
      return createKumaAdapter({
        access:
          mesh.address === undefined
            ? {
                kind: 'kubernetes',
                kubernetes: kubernetesSource(mesh, folder),
                namespace: mesh.namespace,
              }
            : {
                kind: 'rest',
                address: mesh.address,
                ...(mesh.token_file === undefined ? {} : { tokenFile: resolvePath(folder, mesh.token_file) }),
                ...(mesh.ca_file === undefined ? {} : { caFile: resolvePath(folder, mesh.ca_file) }),
                pollMs: mesh.poll,
              },
        mesh: mesh.mesh,
        trustDomain: config.trust_domain,
        namePrefix: mesh.name_prefix,
        origin: mesh.origin,
        clock,
        random,
        log: log.with({ mesh: 'kuma' }),
      });
    case 'files': {
      const { trust_domain: trustDomain } = config;
      if (trustDomain === undefined)
        throw new TypeError('unreachable: the schema asks for trust_domain with files');
      return createFilesAdapter({
        trustDomain,
        own:
          mesh.own_bundle_file === undefined
            ? { pemFiles: (mesh.own_pem_files ?? []).map((file) => resolvePath(folder, file)) }
            : { bundleFile: resolvePath(folder, mesh.own_bundle_file) },
        foreignFolder: resolvePath(folder, mesh.foreign_folder),
        pollMs: mesh.poll,
        clock,
        log: log.with({ mesh: 'files' }),
      });
    }
  }
}

function kubernetesSource(
  mesh: { readonly kubeconfig?: string | undefined; readonly context?: string | undefined },
  folder: string,
): KubernetesSource {
  const { kubeconfig, context } = mesh;
  if (kubeconfig === undefined) return { kind: 'in-cluster' };
  return {
    kind: 'kubeconfig',
    path: resolvePath(folder, kubeconfig),
    ...(context === undefined ? {} : { context }),
  };
}
