import { type SpiffeId, spiffeIdOf, type TrustDomain } from '../../../../spiffe/index.ts';
import type { DiscoveredService } from '../../../../workload-api/index.ts';
import type { ConsulWorkload } from '../options.ts';

/** The cluster of a service. */
export interface Cluster {
  readonly datacenter: string;
  readonly trustDomain: TrustDomain;
}

export function workloadId(
  { namespace = 'default', service }: ConsulWorkload,
  { datacenter, trustDomain }: Cluster,
): SpiffeId {
  return spiffeIdOf(trustDomain, `/ns/${namespace}/dc/${datacenter}/svc/${service}`);
}

/** The services of the own cluster, by the names of Consul's DNS for transparent proxies. */
export function ownServices(workloads: readonly ConsulWorkload[], cluster: Cluster): DiscoveredService[] {
  const { datacenter, trustDomain } = cluster;
  return workloads.flatMap((workload) => {
    const { service, namespace = 'default', proxy } = workload;
    if (!proxy) return [];
    return [
      {
        host: `${service}.virtual.consul`,
        port: proxy.localPort,
        sni: `${service}.${namespace}.${datacenter}.internal.${trustDomain}`,
        spiffeIds: [workloadId(workload, cluster)],
        endpoints: [{ ...proxy.address, priority: 0 }],
      },
    ];
  });
}
