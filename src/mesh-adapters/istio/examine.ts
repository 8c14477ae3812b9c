import type { Clock } from '../../platform/index.ts';
import type { Examination } from '../finding.ts';
import { type IstioFacts, readIstioFacts } from './facts.ts';
import { judgeControlPlanes } from './judge-control-planes.ts';
import { judgeMeshConfigs } from './judge-mesh-configs.ts';
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
 * Looks at an Istio mesh, changes nothing, and says which flag is missing and which policy would let in more than it should
 * once foreign roots are there, and what does away with it (mesh-surfaces §2). A cluster that cannot be read is a finding too.
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
