import { dirname, join } from 'node:path';
import type { AgentConfig } from '../config/index.ts';
import {
  createConsulAdapter,
  createFilesAdapter,
  createIstioAdapter,
  createIstioFileAdapter,
  createKumaAdapter,
  createLinkerdAdapter,
  createSpireAdapter,
  createVaultAdapter,
  type KubernetesSource,
  type MeshAdapter,
  type PeerEndpoints,
  type SpireAccess,
  withClusterTrustBundles,
} from '../mesh-adapters/index.ts';
import { defined } from '../objects/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { ProcessContext } from '../platform/index.ts';

/**
 * Builds the adapter for the mesh in the config, with the additional outputs. `endpoints` is for
 * meshes that poll peers by themselves.
 */
export function createMeshAdapter(
  config: AgentConfig,
  context: ProcessContext,
  endpoints: PeerEndpoints,
): MeshAdapter {
  const adapter = createAdapter(config, context, endpoints);
  const { cluster_trust_bundles: bundles } = config;
  if (bundles === undefined) return adapter;
  const { clock, random, log } = context;
  return withClusterTrustBundles(adapter, {
    kubernetes: kubernetesSource(bundles),
    marks: { namePrefix: bundles.name_prefix, signerName: bundles.signer_name },
    acceptUnnarrowed: bundles.accept_unnarrowed_roots,
    clock,
    random,
    log: log.with({ part: 'cluster-trust-bundles' }),
  });
}

function createAdapter(
  config: AgentConfig,
  { clock, random, log }: ProcessContext,
  endpoints: PeerEndpoints,
): MeshAdapter {
  const { mesh } = config;
  const common = { clock, random, log: log.with({ mesh: mesh.kind }) };
  switch (mesh.kind) {
    case 'istio':
      if (mesh.mesh_config_file !== undefined) {
        return createIstioFileAdapter({
          meshConfigFile: mesh.mesh_config_file,
          ownPemFiles: mesh.own_pem_files ?? [],
          pollMs: mesh.poll,
          acceptUnnarrowed: mesh.accept_unnarrowed_roots,
          ...common,
        });
      }
      return createIstioAdapter({
        kubernetes: kubernetesSource(mesh),
        systemNamespace: mesh.system_namespace,
        meshConfigMap: mesh.mesh_config_map,
        rootConfigMap: { namespace: mesh.root_namespace, name: mesh.root_config_map },
        servicesNamespace: mesh.services_namespace,
        allRevisions: mesh.revisions === 'all',
        acceptUnnarrowed: mesh.accept_unnarrowed_roots,
        ...common,
      });
    case 'consul':
      return createConsulAdapter({
        address: mesh.address,
        ...defined({ tokenFile: mesh.token_file, caFile: mesh.ca_file }),
        peerNamePrefix: mesh.peer_name_prefix,
        access: mesh.access,
        ...common,
      });
    case 'kuma':
      return createKumaAdapter({
        access:
          mesh.address === undefined
            ? { kind: 'kubernetes', kubernetes: kubernetesSource(mesh), namespace: mesh.namespace }
            : {
                kind: 'rest',
                address: mesh.address,
                ...defined({ tokenFile: mesh.token_file, caFile: mesh.ca_file }),
                pollMs: mesh.poll,
              },
        mesh: mesh.mesh,
        trustDomain: config.trust_domain,
        namePrefix: mesh.name_prefix,
        origin: mesh.origin,
        experimentalImports: mesh.experimental_imports,
        ...common,
      });
    case 'linkerd':
      return createLinkerdAdapter({
        kubernetes: kubernetesSource(mesh),
        namespace: mesh.namespace,
        trustNamespace: mesh.trust_namespace,
        bundle: mesh.bundle,
        namePrefix: mesh.name_prefix,
        pins: mesh.pinned_roots,
        linkerdPeers: mesh.linkerd_peers,
        acceptDnsClients: mesh.accept_dns_clients,
        acceptUnnarrowed: mesh.accept_unnarrowed_roots,
        ...common,
      });
    case 'spire':
      return createSpireAdapter({
        access: spireAccess(config, mesh),
        pollMs: mesh.poll,
        ownedFile: mesh.owned_file ?? join(dirname(config.store), 'spire-federated.json'),
        trustDomain: config.trust_domain,
        endpoints: mesh.foreign_trust === 'relationships' ? endpoints : undefined,
        servicesFolder: mesh.services_folder ?? join(dirname(config.store), 'services'),
        ...common,
      });
    case 'vault':
      return createVaultAdapter({
        access: {
          address: mesh.address,
          mount: mesh.mount,
          namespace: mesh.namespace,
          tokenFile: mesh.token_file,
          caFile: mesh.ca_file,
        },
        trustDomain: ownTrustDomain(config),
        pins: mesh.pinned_roots,
        pollMs: mesh.poll,
        foreignFolder: mesh.foreign_folder,
        ...common,
      });
    case 'files':
      return createFilesAdapter({
        trustDomain: ownTrustDomain(config),
        own:
          mesh.own_bundle_file === undefined
            ? { pemFiles: mesh.own_pem_files ?? [] }
            : { bundleFile: mesh.own_bundle_file },
        signingPemFile: mesh.own_signing_pem_file,
        foreignFolder: mesh.foreign_folder,
        servicesFolder: mesh.services_folder ?? join(mesh.foreign_folder, 'services'),
        pollMs: mesh.poll,
        ...common,
      });
  }
}

function spireAccess(
  config: AgentConfig,
  mesh: Extract<AgentConfig['mesh'], { kind: 'spire' }>,
): SpireAccess {
  const { socket, address, certificate_file: certificate, key_file: key, trust_bundle_file: roots } = mesh;
  if (socket !== undefined) return { kind: 'socket', path: socket };
  if (address === undefined || certificate === undefined || key === undefined || roots === undefined)
    throw new TypeError('unreachable: the schema requires the files that go with an address');
  return {
    kind: 'mtls',
    address,
    certificateFile: certificate,
    keyFile: key,
    trustBundleFile: roots,
    trustDomain: ownTrustDomain(config),
  };
}

function ownTrustDomain({ trust_domain: trustDomain, mesh }: AgentConfig): TrustDomain {
  if (trustDomain === undefined)
    throw new TypeError(`unreachable: the schema requires trust_domain with ${mesh.kind}`);
  return trustDomain;
}

function kubernetesSource(mesh: {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}): KubernetesSource {
  const { kubeconfig, context } = mesh;
  if (kubeconfig === undefined) return { kind: 'in-cluster' };
  return { kind: 'kubeconfig', path: kubeconfig, ...defined({ context }) };
}
