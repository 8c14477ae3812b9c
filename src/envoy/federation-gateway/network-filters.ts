import type { SpiffeId } from '../../spiffe/index.ts';
import type { FederationGatewayConfig } from '../../config/index.ts';

type Route = FederationGatewayConfig['routes'][number];

/**
 * Between two parts of the gateway's own Envoy. It is overwritten before the route is chosen, and
 * not forwarded.
 */
const PEER_HEADER = 'x-federate-peer';

const BY_IDENTITY = 'by-identity';

const TYPE = {
  headerInput: 'type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput',
  headerMutation:
    'type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation',
  route: 'type.googleapis.com/envoy.config.route.v3.Route',
  tcpProxy: 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  internalUpstream:
    'type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport',
  rawBuffer: 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  internalListener: 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
} as const;

/**
 * One service as one foreign identity reaches it: a separate cluster, because the certificate
 * inside depends on the caller.
 */
export interface GatewayCluster {
  readonly name: string;
  readonly id: SpiffeId;
}

interface FilterOptions {
  readonly route: Route;
  readonly maxAgeMs: number;
  readonly clusters: readonly GatewayCluster[];
}

/**
 * Handles a connection after its client proved its identity: that identity alone chooses the
 * cluster.
 */
export function networkFilters(options: FilterOptions): object[] {
  return options.route.protocol === 'http' ? httpFilters(options) : tcpFilters(options);
}

/**
 * The cluster is chosen by all URI SANs of the certificate, joined: one with a second URI SAN
 * passes for neither of the two (X509-SVID §2 allows one). Envoy's own check of the names is
 * content with any of them.
 */
function httpFilters({ route, maxAgeMs, clusters }: FilterOptions): object[] {
  const age = seconds(maxAgeMs);
  return [
    {
      name: 'envoy.filters.network.http_connection_manager',
      typed_config: {
        '@type':
          'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
        stat_prefix: route.sni,
        use_remote_address: true,
        // Removes what a client writes there itself.
        forward_client_cert_details: 'SANITIZE_SET',
        set_current_client_cert_details: { uri: true },
        request_headers_timeout: '10s',
        common_http_protocol_options: {
          max_connection_duration: age,
          max_stream_duration: age,
          idle_timeout: age,
        },
        http2_protocol_options: { max_concurrent_streams: 100 },
        early_header_mutation_extensions: [
          {
            name: 'peer',
            typed_config: {
              '@type': TYPE.headerMutation,
              mutations: [
                { remove: PEER_HEADER },
                {
                  append: {
                    header: { key: PEER_HEADER, value: '%DOWNSTREAM_PEER_URI_SAN%' },
                    append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
                  },
                },
              ],
            },
          },
        ],
        http_filters: [
          {
            name: 'envoy.filters.http.router',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
            },
          },
        ],
        route_config: {
          name: route.sni,
          request_headers_to_remove: [PEER_HEADER],
          virtual_hosts: [
            {
              name: route.sni,
              domains: ['*'],
              matcher: {
                matcher_tree: {
                  input: {
                    name: 'peer',
                    typed_config: { '@type': TYPE.headerInput, header_name: PEER_HEADER },
                  },
                  exact_match_map: {
                    map: Object.fromEntries(
                      clusters.map(({ name, id }) => [
                        id,
                        toRoute({ route: { cluster: name, timeout: '0s' } }),
                      ]),
                    ),
                  },
                },
                on_no_match: toRoute({
                  direct_response: {
                    status: 403,
                    body: { inline_string: 'this identity stands for no service here\n' },
                  },
                }),
              },
            },
          ],
        },
      },
    },
  ];
}

/**
 * A TCP proxy chooses its cluster when the connection begins, before the handshake has shown the
 * client's identity. So this one passes the connection to a listener inside of Envoy after the
 * handshake, with the name of the cluster: that of all URI SANs of the certificate, joined.
 */
function tcpFilters({ route, maxAgeMs }: FilterOptions): object[] {
  return [
    {
      name: 'envoy.filters.network.set_filter_state',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config',
        on_downstream_tls_handshake: [
          {
            object_key: 'envoy.tcp_proxy.cluster',
            format_string: {
              text_format_source: { inline_string: `${route.sni}|%DOWNSTREAM_PEER_URI_SAN%` },
            },
            shared_with_upstream: 'ONCE',
          },
        ],
      },
    },
    {
      name: 'envoy.filters.network.tcp_proxy',
      typed_config: {
        '@type': TYPE.tcpProxy,
        stat_prefix: route.sni,
        cluster: BY_IDENTITY,
        upstream_connect_mode: 'ON_DOWNSTREAM_TLS_HANDSHAKE',
        max_early_data_bytes: 0,
        idle_timeout: '3600s',
        max_downstream_connection_duration: seconds(maxAgeMs),
      },
    },
  ];
}

/** What the filters above also need: the listener inside, and the way to it. */
export function byIdentity(): {
  readonly listener: object;
  readonly cluster: object;
  readonly extension: object;
} {
  return {
    listener: {
      name: BY_IDENTITY,
      internal_listener: {},
      filter_chains: [
        {
          filters: [
            {
              name: 'envoy.filters.network.tcp_proxy',
              // A client without a cluster of its own reaches none.
              typed_config: { '@type': TYPE.tcpProxy, stat_prefix: BY_IDENTITY, cluster: 'nobody' },
            },
          ],
        },
      ],
    },
    cluster: {
      name: BY_IDENTITY,
      type: 'STATIC',
      load_assignment: {
        cluster_name: BY_IDENTITY,
        endpoints: [
          {
            lb_endpoints: [
              { endpoint: { address: { envoy_internal_address: { server_listener_name: BY_IDENTITY } } } },
            ],
          },
        ],
      },
      transport_socket: {
        name: 'envoy.transport_sockets.internal_upstream',
        typed_config: {
          '@type': TYPE.internalUpstream,
          transport_socket: {
            name: 'envoy.transport_sockets.raw_buffer',
            typed_config: { '@type': TYPE.rawBuffer },
          },
        },
      },
    },
    extension: {
      name: 'envoy.bootstrap.internal_listener',
      typed_config: { '@type': TYPE.internalListener },
    },
  };
}

function toRoute(action: object) {
  return {
    action: { name: 'route', typed_config: { '@type': TYPE.route, match: { prefix: '/' }, ...action } },
  };
}

function seconds(ms: number): string {
  return `${ms / 1000}s`;
}
