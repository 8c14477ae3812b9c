import {
  type Examination,
  examineConsul,
  examineIstio,
  examineIstioFile,
  type KubernetesSource,
} from '../mesh-adapters/index.ts';
import { systemClock, systemEnvironment } from '../platform/index.ts';
import type { SpiffeId } from '../spiffe/index.ts';
import {
  type AgentConfig,
  agentConfigSchema,
  ConfigError,
  type FederationGatewayConfig,
  type LoadedConfig,
  readConfig,
} from '../config/index.ts';
import { defined } from '../objects/index.ts';
import { isInCluster, usualKubernetes } from './usual-kubeconfig.ts';

/** The Istio to examine, from the config of its agent or from the command line. */
export interface IstioToExamine {
  readonly configFile?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
}

/** The Consul to examine, and the foreign identities in question. */
export interface ConsulToExamine {
  readonly configFile?: string | undefined;
  readonly address?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly identities: readonly SpiffeId[];
  readonly service?: string | undefined;
}

/**
 * Examines an Istio mesh without changing it. Throws `ConfigError`; errors of the mesh are
 * findings.
 */
export async function examineIstioMesh(
  asked: IstioToExamine,
  signal: AbortSignal = new AbortController().signal,
): Promise<Examination> {
  const mesh = asked.configFile === undefined ? undefined : meshOf(asked.configFile, 'istio');
  if (mesh?.mesh_config_file !== undefined && asked.kubeconfig === undefined)
    return await examineIstioFile(mesh.mesh_config_file, systemClock);
  const kubeconfig = asked.kubeconfig ?? mesh?.kubeconfig;
  const context = asked.context ?? mesh?.context;
  // A config without a kubeconfig means the service account of its pod, where this is one.
  const inPod = mesh !== undefined && isInCluster(systemEnvironment);
  const kubernetes: KubernetesSource =
    kubeconfig !== undefined
      ? { kind: 'kubeconfig', path: kubeconfig, ...defined({ context }) }
      : inPod
        ? { kind: 'in-cluster' }
        : usualKubernetes(systemEnvironment, context);
  return await examineIstio({
    kubernetes,
    systemNamespace: asked.namespace ?? mesh?.system_namespace ?? 'istio-system',
    clock: systemClock,
    signal,
  });
}

/**
 * Examines a Consul cluster without changing it. Throws `ConfigError`; errors of the cluster are
 * findings.
 */
export async function examineConsulMesh(
  asked: ConsulToExamine,
  signal: AbortSignal = new AbortController().signal,
): Promise<Examination> {
  const mesh = asked.configFile === undefined ? undefined : meshOf(asked.configFile, 'consul');
  const tokenFile = asked.tokenFile ?? mesh?.token_file;
  const caFile = asked.caFile ?? mesh?.ca_file;
  return await examineConsul({
    address: asked.address ?? mesh?.address ?? 'http://127.0.0.1:8500',
    ...defined({ tokenFile, caFile }),
    tokenIsAgents: mesh !== undefined && asked.tokenFile === undefined,
    ...(mesh ? { peerNamePrefix: mesh.peer_name_prefix } : {}),
    ...(mesh?.federation_gateway ? gatewayOf(mesh.federation_gateway) : {}),
    identities: asked.identities,
    ...defined({ service: asked.service }),
    clock: systemClock,
    signal,
  });
}

function gatewayOf({ service, identities, routes }: FederationGatewayConfig) {
  return {
    gatewayService: service,
    gateway: new Map(identities.map(({ spiffe_id: id, service: leaf }) => [id, leaf])),
    gatewayTcpServices: routes.filter(({ protocol }) => protocol === 'tcp').map((route) => route.service),
  };
}

type Mesh<Kind> = Extract<AgentConfig['mesh'], { readonly kind: Kind }>;

/**
 * The mesh section of an agent's config. Throws `ConfigError` `config-invalid` where it is another
 * mesh.
 */
function meshOf<Kind extends AgentConfig['mesh']['kind']>(file: string, kind: Kind): Mesh<Kind> {
  const { config }: LoadedConfig<AgentConfig> = readConfig(file, agentConfigSchema);
  const { mesh } = config;
  if (isKind(mesh, kind)) return mesh;
  throw new ConfigError('config-invalid', `the config ${file} is for another mesh`, [
    { path: 'mesh.kind', message: `is ${mesh.kind}, and ${kind} is to be examined` },
  ]);
}

function isKind<Kind extends AgentConfig['mesh']['kind']>(
  mesh: AgentConfig['mesh'],
  kind: Kind,
): mesh is Mesh<Kind> {
  return mesh.kind === kind;
}
