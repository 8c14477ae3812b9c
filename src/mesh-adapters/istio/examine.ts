import type { Clock } from '../../platform/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { type Examination, noted, wrong } from '../contract/finding.ts';
import { type IstioFacts, readIstioFacts } from './facts.ts';
import { judgeControlPlanes } from './judge-control-planes.ts';
import { judgeMeshConfig, judgeMeshConfigs } from './judge-mesh-configs.ts';
import { MeshConfigFile } from './mesh-config-file.ts';
import { judgePolicies } from './judge-policies.ts';
import { judgeRoutes } from './judge-routes.ts';
import type { KubernetesSource } from '../kubernetes/kubernetes-access.ts';
import { KubernetesClient } from '../kubernetes/kubernetes-client.ts';

export interface IstioExaminationOptions {
  readonly kubernetes: KubernetesSource;
  /** Where istiod and the mesh ConfigMap are. */
  readonly systemNamespace: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Examines an Istio mesh without changing it. Reports missing flags, policies that would admit more
 * than they should once foreign roots are there, and how to repair both. A cluster that cannot be
 * read is a finding too. See docs/meshes/istio.md.
 */
export async function examineIstio(options: IstioExaminationOptions): Promise<Examination> {
  const { kubernetes, systemNamespace, clock, signal } = options;
  const client = new KubernetesClient({ source: kubernetes, clock });
  const facts = await readIstioFacts(client, systemNamespace, signal);
  return {
    mesh: 'istio',
    examined: examinedOf(facts),
    findings: [
      ...facts.findings,
      ...judgeControlPlanes(facts, systemNamespace),
      ...judgeMeshConfigs(facts, systemNamespace, clock.now()),
      ...judgePolicies(facts, systemNamespace),
      ...judgeRoutes(facts),
    ],
  };
}

function examinedOf(facts: IstioFacts): string[] {
  const { istiods } = facts;
  const counted = [
    ['ConfigMaps of the system namespace', facts.configMaps],
    ['namespaces', facts.namespaces],
    ['PeerAuthentications', facts.peerAuthentications],
    ['AuthorizationPolicies', facts.authorizationPolicies],
    ['DestinationRules', facts.destinationRules],
    ['ServiceEntries', facts.serviceEntries],
  ] as const;
  return [
    ...(istiods ? [`deployments of istiod: ${istiods.length}`] : []),
    ...counted.flatMap(([what, objects]) => (objects ? [`${what}: ${objects.length}`] : [])),
  ];
}

/** Examines a mesh config in a file: only the content of the file is visible. */
export async function examineIstioFile(path: string, clock: Clock): Promise<Examination> {
  const where = `mesh config ${path}`;
  const limits = noted(
    'only-mesh-config-examined',
    where,
    'without Kubernetes the flags of istiod and the policies are not looked at',
    'see that the environment of istiod has ISTIO_MULTIROOT_MESH=true',
  );
  try {
    const held = await new MeshConfigFile(path).read();
    return {
      mesh: 'istio',
      examined: [where],
      findings: [...judgeMeshConfig(where, held, clock.now()), limits],
    };
  } catch (error) {
    if (!(error instanceof MeshAdapterError)) throw error;
    const advice = 'check mesh.mesh_config_file and its permissions';
    return { mesh: 'istio', examined: [], findings: [wrong(error.code, where, error.message, advice)] };
  }
}
