import { isSpiffeId, type SpiffeId, spiffeIdOf, type TrustDomain } from '../../../../spiffe/index.ts';
import type { DiscoveredService } from '../../../../workload-api/index.ts';
import type { Peering } from '../consul-state.ts';
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

/**
 * The services of peers, as `<service>.virtual.<peer>.consul`. The identity data of one instance
 * counts for all, as in the product. A critical instance gets no new connection, and a service without
 * an SNI or a SPIFFE ID is not given to proxies.
 */
export function importedServices(peerings: readonly Peering[]): DiscoveredService[] {
  return peerings.flatMap(({ name: peer, imports = [] }) =>
    imports.flatMap(({ nodes }) => {
      const proxies = nodes.filter(({ service }) => service.kind === 'connect-proxy');
      const [first] = proxies;
      const name = first?.service.proxy?.destination_service_name ?? '';
      const meta = first?.service.connect?.peer_meta;
      const spiffeIds = (meta?.spiffe_id ?? []).filter((id): id is SpiffeId => isSpiffeId(id));
      const [sni = ''] = meta?.sni ?? [];
      if (!first || name === '' || sni === '' || spiffeIds.length === 0) return [];
      const healthy = proxies.filter(({ checks }) => checks.every(({ status }) => status !== 'critical'));
      return [
        {
          host: `${name}.virtual.${peer}.consul`,
          port: first.service.port,
          sni,
          spiffeIds,
          endpoints: healthy.map(({ node, service }) => ({
            host: service.address === '' ? node.address : service.address,
            port: service.port,
            priority: 0,
          })),
        },
      ];
    }),
  );
}
