import { type Fields, fieldsOf, listOf, textOf, textsOf } from '../contract/fields.ts';
import type { KubernetesObject } from '../kubernetes/kubernetes-object.ts';

/** One running pod, as far as its service needs it. */
export interface ServicePod {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  /** What takes part in the mesh for it. */
  readonly proxy: 'sidecar' | 'ambient' | 'gateway' | 'none';
  /** Part of Istio or of Federate itself. */
  readonly role: 'control-plane' | 'federate' | 'workload';
  /** Ports by the names that its containers give them. */
  readonly ports: ReadonlyMap<string, number>;
}

/** The pod, or undefined where it does not run any more. */
export function servicePodOf({ metadata, ...object }: KubernetesObject): ServicePod | undefined {
  const { namespace = '', labels = {}, annotations = {} } = metadata;
  const phase = textOf(fieldsOf(object['status'])['phase']);
  if (phase === 'Succeeded' || phase === 'Failed' || metadata['deletionTimestamp'] !== undefined)
    return undefined;
  const spec = fieldsOf(object['spec']);
  const containers = [...listOf(spec['containers']), ...listOf(spec['initContainers'])];
  return {
    namespace,
    labels,
    serviceAccount: textOf(spec['serviceAccountName']) || 'default',
    proxy: proxyOf(labels, annotations, containers),
    role: roleOf(labels),
    ports: new Map(
      containers
        .flatMap(({ ports }) => listOf(ports))
        .map(({ name, containerPort }): [string, number] => [textOf(name), Number(containerPort)]),
    ),
  };
}

function proxyOf(
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
  containers: readonly Fields[],
): ServicePod['proxy'] {
  const proxies = containers.filter(({ name }) => name === 'istio-proxy');
  const isGateway =
    labels['gateway.networking.k8s.io/gateway-name'] !== undefined ||
    annotations['inject.istio.io/templates'] === 'gateway' ||
    /^(ingress|egress|eastwest)gateway$/.test(labels['istio'] ?? '') ||
    proxies.some(({ args }) => textsOf(args).includes('router'));
  if (isGateway) return 'gateway';
  if (proxies.length > 0) return 'sidecar';
  return annotations['ambient.istio.io/redirection'] === 'enabled' ? 'ambient' : 'none';
}

function roleOf(labels: Readonly<Record<string, string>>): ServicePod['role'] {
  if (labels['app'] === 'istiod' || labels['istio'] === 'pilot' || labels['app'] === 'ztunnel')
    return 'control-plane';
  return labels['app.kubernetes.io/name'] === 'federate' ? 'federate' : 'workload';
}
