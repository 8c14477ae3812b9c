import { isIP } from 'node:net';
import { messageOf } from '../errors/index.ts';
import {
  type AnyMessage,
  type Cluster,
  CLUSTER_TYPE_URL,
  clusterDiscoveryService,
  clusterMessage,
  HTTP_OPTIONS,
  httpOptionsMessage,
  type LocalityEndpoints,
  type SdsSecretConfig,
  UPSTREAM_TLS_TYPE_URL,
  upstreamTlsMessage,
} from '../grpc/index.ts';
import { parseSpiffeId, type SpiffeId } from '../spiffe/index.ts';
import type { ResourceKind } from './discovery-client.ts';
import { WorkloadApiError } from './errors.ts';

/** One port of a service that a proxy may call: where it is, and who must answer. */
export interface DiscoveredService {
  /** The host name that the workload calls. */
  readonly host: string;
  readonly port: number;
  readonly sni: string;
  /** The other side must prove one of these. */
  readonly spiffeIds: readonly SpiffeId[];
  /** Of these the lowest priority number is used first. */
  readonly endpoints: readonly { readonly host: string; readonly port: number; readonly priority: number }[];
  /** It speaks HTTP/2, as gRPC does. */
  readonly isHttp2?: boolean;
}

/** Secrets of the same socket, by which Envoy makes the connection. */
export interface ConnectionSecrets {
  readonly identity: string;
  readonly validation: string;
}

/** The cluster of Envoy's bootstrap that leads to the socket of SDS, as in Istio's own. */
const SDS_CLUSTER = 'sds-grpc';
const CONNECT_SECONDS = 5;

/** Every endpoint of a priority may be left out. */
const OUTLIERS = { consecutive_5xx: { value: 3 }, max_ejection_percent: { value: 100 } };

const HTTP2 = {
  [HTTP_OPTIONS]: {
    type_url: `type.googleapis.com/${HTTP_OPTIONS}`,
    get value() {
      return httpOptionsMessage.encode({ explicit_http_config: { http2_protocol_options: {} } });
    },
  },
};

/** The name of a service's cluster, as Istio writes it. */
export function clusterName({ host, port }: Pick<DiscoveredService, 'host' | 'port'>): string {
  return `outbound|${port}||${host}`;
}

/**
 * The service as a cluster in Envoy's form: endpoints by priority, its SNI, and its SPIFFE IDs as
 * the only accepted URI SANs.
 */
export function encodeDiscoveredService(
  service: DiscoveredService,
  { identity, validation }: ConnectionSecrets,
): AnyMessage {
  const { endpoints, sni, spiffeIds, isHttp2 = false } = service;
  const name = clusterName(service);
  const tls = upstreamTlsMessage.encode({
    common_tls_context: {
      tls_certificate_sds_secret_configs: [secretOverSds(identity)],
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: spiffeIds.map((exact) => ({ san_type: 'URI', matcher: { exact } })),
        },
        validation_context_sds_secret_config: secretOverSds(validation),
      },
    },
    sni,
  });
  const cluster: Cluster = {
    name,
    type: endpoints.every(({ host }) => isIP(host) !== 0) ? 'STATIC' : 'STRICT_DNS',
    connect_timeout: { seconds: CONNECT_SECONDS, nanos: 0 },
    // Else an endpoint that cannot be reached is never left for one of the next priority.
    ...(endpoints.length > 1 ? { outlier_detection: OUTLIERS } : {}),
    ...(isHttp2 ? { typed_extension_protocol_options: HTTP2 } : {}),
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: { type_url: UPSTREAM_TLS_TYPE_URL, value: tls },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [...Map.groupBy(endpoints, ({ priority }) => priority)]
        .toSorted(([a], [b]) => a - b)
        .map(([priority, each]) => ({
          priority,
          lb_endpoints: each.map(({ host, port }) => ({
            endpoint: { address: { socket_address: { address: host, port_value: port } } },
          })),
        })),
    },
  };
  return { type_url: CLUSTER_TYPE_URL, value: clusterMessage.encode(cluster) };
}

/**
 * Reads a cluster. Throws `WorkloadApiError` `cluster-malformed`, also for a cluster without TLS, an
 * SNI or a SPIFFE ID, because nothing would tell the right server from another.
 */
export function decodeDiscoveredService(resource: AnyMessage): DiscoveredService & { readonly name: string } {
  try {
    if (resource.type_url !== CLUSTER_TYPE_URL)
      throw new Error(`its type is ${JSON.stringify(resource.type_url)}`);
    const { name, transport_socket: socket, load_assignment: load } = clusterMessage.decode(resource.value);
    const [, port = '', host = ''] = /^outbound\|(\d{1,5})\|\|([^|]+)$/.exec(name) ?? [];
    if (host === '') throw new Error(`${JSON.stringify(name)} is not the name of a service's cluster`);
    if (socket?.typed_config?.type_url !== UPSTREAM_TLS_TYPE_URL) throw new Error(`${name} has no TLS`);
    const { sni, common_tls_context: common } = upstreamTlsMessage.decode(socket.typed_config.value);
    const sans =
      common?.combined_validation_context?.default_validation_context?.match_typed_subject_alt_names ?? [];
    const spiffeIds = sans.map(({ san_type: kind, matcher }) => {
      if (kind === 'URI' && matcher?.exact !== undefined) return parseSpiffeId(matcher.exact);
      throw new Error(`${name} has a subject matcher that is not an exact URI`);
    });
    if (sni === '' || spiffeIds.length === 0) throw new Error(`${name} has no SNI or no SPIFFE ID`);
    return {
      name,
      host,
      port: Number(port),
      sni,
      spiffeIds,
      endpoints: (load?.endpoints ?? []).flatMap(addressesIn),
    };
  } catch (cause) {
    throw new WorkloadApiError('cluster-malformed', `a cluster cannot be used: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** What a proxy asks for to learn every service that it may call. */
export const discoveredServices: ResourceKind<DiscoveredService & { readonly name: string }> = {
  label: 'cluster',
  typeUrl: CLUSTER_TYPE_URL,
  method: clusterDiscoveryService.StreamClusters,
  decode: decodeDiscoveredService,
  isComplete: true,
};

function addressesIn({ lb_endpoints: endpoints, priority }: LocalityEndpoints) {
  return endpoints.map(({ endpoint }) => {
    const socket = endpoint?.address?.socket_address;
    if (!socket || socket.address === '' || socket.port_value < 1 || socket.port_value > 65_535)
      throw new Error('an endpoint has no address with a port');
    return { host: socket.address, port: socket.port_value, priority };
  });
}

function secretOverSds(name: string): SdsSecretConfig {
  return {
    name,
    sds_config: {
      api_config_source: {
        api_type: 'GRPC',
        grpc_services: [{ envoy_grpc: { cluster_name: SDS_CLUSTER } }],
        transport_api_version: 'V3',
      },
      resource_api_version: 'V3',
    },
  };
}
