import type { ListenAddress } from '../../platform/index.ts';

/** Clients of all kinds together; each costs memory before it has proved anything. */
const MAX_CONNECTIONS = 10_000;
/** Bytes that one connection may hold in each direction. */
export const BUFFER_BYTES = 65_536;

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const CONNECTIONS_MONITOR =
  'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig';

/** An address of an Envoy document. */
export function socketAddress({ host, port }: ListenAddress): object {
  return { socket_address: { address: host, port_value: port } };
}

/**
 * A cluster that is one Unix socket with gRPC on it: an SDS server. The path is absolute: Envoy may
 * be started anywhere.
 */
export function grpcSocketCluster(name: string, path: string): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: {
        '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
    },
  };
}

/** A cluster of one address, which may be a name. */
export function addressCluster(name: string, address: ListenAddress, more: object = {}): object {
  return {
    name,
    // A name is looked up again and again.
    type: 'STRICT_DNS',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address) } }] }],
    },
    ...more,
  };
}

/**
 * By default Envoy waits up to 30 s after an outage of the agent. During that time it would trust a
 * peer that was removed in the meantime.
 */
const RECONNECT = { retry_back_off: { base_interval: '0.5s', max_interval: '2s' } };

/** A secret over SDS from that cluster. */
export function secretFrom(cluster: string, name: string): object {
  return {
    name,
    sds_config: {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: cluster, retry_policy: RECONNECT } }],
      },
    },
  };
}

/** A bound for all listeners together. */
export function overloadManager(): object {
  return {
    resource_monitors: [
      {
        name: 'envoy.resource_monitors.global_downstream_max_connections',
        typed_config: {
          '@type': CONNECTIONS_MONITOR,
          max_active_downstream_connections: MAX_CONNECTIONS,
        },
      },
    ],
  };
}
