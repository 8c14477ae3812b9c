import { isIP } from 'node:net';
import type { ObjectStore } from './object-store.ts';
import type { ObjectInput } from './kubernetes-object.ts';
import type { IstioWorkload } from './options.ts';
import {
  PEER_AUTHENTICATIONS,
  PODS,
  type ResourceType,
  SERVICE_ACCOUNTS,
  SERVICES,
} from './resource-types.ts';

/** The labels of a workload's pod. */
export function podLabels({ name, labels }: IstioWorkload): Readonly<Record<string, string>> {
  return labels ?? { app: name };
}

/**
 * Writes what a cluster with these workloads has. Each gets a service account, a pod with a proxy,
 * and a Service where it has one. The whole mesh gets STRICT mTLS where the operator set nothing.
 */
export function seedWorkloads(
  store: ObjectStore,
  {
    systemNamespace,
    workloads,
  }: { readonly systemNamespace: string; readonly workloads: readonly IstioWorkload[] },
): void {
  if (store.list(PEER_AUTHENTICATIONS, systemNamespace).length === 0)
    put(store, PEER_AUTHENTICATIONS, {
      metadata: { name: 'default', namespace: systemNamespace },
      content: { spec: { mtls: { mode: 'STRICT' } } },
    });
  for (const workload of workloads) {
    const { name, namespace, account, service } = workload;
    const labels = podLabels(workload);
    put(store, SERVICE_ACCOUNTS, { metadata: { name: account, namespace }, content: {} });
    const address = service && isIP(service.address) !== 0 ? service.address : undefined;
    put(store, PODS, {
      metadata: { name: `${name}-0`, namespace, labels },
      content: {
        spec: { serviceAccountName: account, containers: [{ name }, { name: 'istio-proxy' }] },
        status: {
          phase: 'Running',
          ...(address !== undefined && { podIP: address, podIPs: [{ ip: address }] }),
        },
      },
    });
    if (!service) continue;
    put(store, SERVICES, {
      metadata: { name, namespace, labels },
      content: {
        spec: {
          type: 'ClusterIP',
          ...(address !== undefined && { clusterIP: address, clusterIPs: [address] }),
          selector: labels,
          ports: service.ports.map(({ name: portName, port, targetPort, protocol }) => ({
            name: portName,
            port,
            targetPort,
            protocol: 'TCP',
            appProtocol: protocol,
          })),
        },
      },
    });
  }
}

function put(store: ObjectStore, resource: ResourceType, input: ObjectInput): void {
  const { namespace, name } = input.metadata;
  if (store.get(resource, namespace, name)) store.update(resource, input);
  else store.create(resource, input);
}
