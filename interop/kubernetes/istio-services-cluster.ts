import { createIstioAdapter, type MeshAdapter } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import type { Cluster } from './cluster.ts';
import { ISTIO_NAMESPACE, ISTIO_TRUST_DOMAIN, prepareIstio } from './istio-cluster.ts';
import { defineIstio } from './istio-definitions.ts';

export const WORKLOADS = 'shop';
export const NETWORKING = '/apis/networking.istio.io/v1';
export const SECURITY = '/apis/security.istio.io/v1';
/** The pod of `web`, which is the proxy that istiod sees. */
const PROXY_ADDRESS = '10.0.0.9';
const WRITE = ['get', 'create', 'update', 'delete'];

/**
 * A cluster with Istio, STRICT mTLS, the Service `web` with one pod, and the rights that
 * docs/meshes/istio.md names for services and no more.
 */
export async function prepareIstioServices(cluster: Cluster): Promise<void> {
  await prepareIstio(cluster, await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example'));
  await cluster.createNamespaces(WORKLOADS);
  await defineIstio(cluster);
  await cluster.allow('federate-services', [
    { apiGroups: [''], resources: ['services', 'pods'], verbs: ['list'] },
    {
      apiGroups: ['networking.istio.io'],
      resources: ['serviceentries', 'destinationrules', 'workloadentries'],
      verbs: ['list'],
    },
    {
      apiGroups: ['security.istio.io'],
      resources: ['peerauthentications', 'authorizationpolicies'],
      verbs: ['list'],
    },
  ]);
  const imports = ['serviceentries', 'destinationrules'];
  await cluster.allow(
    'federate-imports',
    [{ apiGroups: ['networking.istio.io'], resources: imports, verbs: WRITE }],
    ISTIO_NAMESPACE,
  );
  await cluster.allow(
    'federate-access',
    [{ apiGroups: ['security.istio.io'], resources: ['authorizationpolicies'], verbs: WRITE }],
    WORKLOADS,
  );
  await cluster.call('POST', `${SECURITY}/namespaces/${ISTIO_NAMESPACE}/peerauthentications`, {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'default' },
    spec: { mtls: { mode: 'STRICT' } },
  });
  await addService(cluster, 'web', PROXY_ADDRESS, [
    { name: 'app', image: 'x' },
    { name: 'istio-proxy', image: 'x' },
  ]);
}

/** Adds a Service with one running pod of these containers. */
export async function addService(
  cluster: Cluster,
  name: string,
  address: string,
  containers: readonly object[],
): Promise<void> {
  const within = `/api/v1/namespaces/${WORKLOADS}`;
  await cluster.call('POST', `${within}/services`, {
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  });
  const pod = await cluster.call<object>('POST', `${within}/pods`, {
    metadata: { name: `${name}-1`, labels: { app: name } },
    spec: { serviceAccountName: `${name}-account`, containers },
  });
  // As a kubelet does.
  const status = {
    phase: 'Running',
    podIP: address,
    podIPs: [{ ip: address }],
    conditions: [{ type: 'Ready', status: 'True' }],
  };
  await cluster.call('PUT', `${within}/pods/${name}-1/status`, { ...pod, status });
}

/** The adapter of an agent with those rights. */
export function istioAdapter(cluster: Cluster): MeshAdapter {
  return createIstioAdapter({
    kubernetes: { kind: 'kubeconfig', path: cluster.writeKubeconfig() },
    systemNamespace: ISTIO_NAMESPACE,
    meshConfigMap: 'istio',
    rootConfigMap: { namespace: ISTIO_NAMESPACE, name: 'istio-ca-root-cert' },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
}
