import type { Peering } from '../consul-state.ts';
import type { ConsulWorkload } from '../options.ts';

/** One instance as `/v1/health/…` shows it. */
export interface CatalogInstance {
  readonly Node: {
    readonly ID: string;
    readonly Node: string;
    readonly Address: string;
    readonly Datacenter: string;
    readonly Meta: Readonly<Record<string, string>>;
  };
  readonly Service: {
    /** `connect-proxy` for a sidecar; empty for a workload. */
    readonly Kind: string;
    readonly ID: string;
    readonly Service: string;
    readonly Address: string;
    readonly Port: number;
    readonly Meta: Readonly<Record<string, string>>;
    readonly Proxy: {
      readonly DestinationServiceName: string;
      readonly DestinationServiceID: string;
      readonly LocalServicePort: number;
    };
    readonly Connect: Readonly<Record<string, unknown>>;
    readonly PeerName: string;
  };
  readonly Checks: readonly {
    readonly CheckID: string;
    readonly Name: string;
    readonly Status: string;
    readonly Output: string;
    readonly ServiceName: string;
  }[];
}

/** Each workload with a proxy: the workload and its proxy, as a Consul agent registers them. */
export function ownInstances(workloads: readonly ConsulWorkload[], datacenter: string): CatalogInstance[] {
  return workloads.flatMap(({ name, service, proxy }) => {
    if (!proxy) return [];
    const node = {
      ID: '',
      Node: `node-${name}`,
      Address: proxy.address.host,
      Datacenter: datacenter,
      Meta: {},
    };
    const workload = instance(node, { kind: '', service, port: proxy.localPort, destination: '', local: 0 });
    const sidecar = instance(node, {
      kind: 'connect-proxy',
      service: `${service}-sidecar-proxy`,
      port: proxy.address.port,
      destination: service,
      local: proxy.localPort,
    });
    return [workload, sidecar];
  });
}

function instance(
  node: CatalogInstance['Node'],
  given: {
    readonly kind: string;
    readonly service: string;
    readonly port: number;
    readonly destination: string;
    readonly local: number;
  },
): CatalogInstance {
  const { kind, service, port, destination, local } = given;
  return {
    Node: node,
    Service: {
      Kind: kind,
      ID: service,
      Service: service,
      Address: node.Address,
      Port: port,
      Meta: {},
      Proxy: {
        DestinationServiceName: destination,
        DestinationServiceID: destination,
        LocalServicePort: local,
      },
      Connect: {},
      PeerName: '',
    },
    Checks: [
      {
        CheckID: `service:${service}`,
        Name: 'the process runs',
        Status: 'passing',
        Output: '',
        ServiceName: service,
      },
    ],
  };
}

/** The instances that a peer announced, as the catalog shows them with `?peer=`. */
export function importedInstances({ name: peer, imports = [] }: Peering): CatalogInstance[] {
  return imports.flatMap(({ nodes }) =>
    nodes.map(({ node, service, checks }) => ({
      Node: {
        ID: node.id,
        Node: node.node,
        Address: node.address,
        Datacenter: node.datacenter,
        Meta: node.meta,
      },
      Service: {
        Kind: service.kind,
        ID: service.id,
        Service: service.service,
        Address: service.address,
        Port: service.port,
        Meta: service.meta,
        Proxy: {
          DestinationServiceName: service.proxy?.destination_service_name ?? '',
          DestinationServiceID: service.proxy?.destination_service_id ?? '',
          LocalServicePort: 0,
        },
        Connect: {
          PeerMeta: {
            SNI: service.connect?.peer_meta?.sni ?? [],
            SpiffeID: service.connect?.peer_meta?.spiffe_id ?? [],
            Protocol: service.connect?.peer_meta?.protocol ?? '',
          },
        },
        PeerName: peer,
      },
      Checks: checks.map((check) => ({
        CheckID: check.check_id,
        Name: check.name,
        Status: check.status,
        Output: check.output,
        ServiceName: check.service_name,
      })),
    })),
  );
}
