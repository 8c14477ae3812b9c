import type { SpiffeId } from '../../spiffe/index.ts';
import type { SidecarConfig } from '../../config/index.ts';
import {
  addressCluster,
  BUFFER_BYTES,
  grpcSocketCluster,
  overloadManager,
  secretFrom,
  socketAddress,
} from '../base/building-blocks.ts';

/** Where an Envoy that takes the place of our sidecar gets its SVID and its trust. */
export interface SidecarSecrets {
  /** Absolute paths of Unix sockets; the two may be one. */
  readonly identitySocket: string;
  readonly trustSocket: string;
  /** The name of the trust, such as `ALL`. */
  readonly trustResource: string;
}

/** The clusters with SDS on them. */
const IDENTITY = 'sds-identity';
const TRUST = 'sds-trust';
/**
 * Connections that depend on a removed root are over after this time; Envoy does not judge open
 * connections again.
 */
const MAX_AGE = '600s';

const TYPES = 'type.googleapis.com/envoy.extensions';
const HTTP_MANAGER = `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`;

/**
 * Renders the bootstrap of an Envoy that does what `federate sidecar` does with that config. Exact
 * SPIFFE IDs state the allowed callers and the accepted servers. They stand in the bootstrap, next
 * to the trust, which brings no names of its own. Because Envoy accepts any of all names, an SDS
 * server that sends names with its trust admits those too. The inbound side checks a second time,
 * by name alone. `checkRenderable` has refused what is not rendered.
 */
export function sidecarBootstrap(config: SidecarConfig, secrets: SidecarSecrets): object {
  const { inbound, outbound, certificate_resource: identity } = config;
  const { identitySocket, trustSocket, trustResource } = secrets;
  const callers = inbound === undefined || inbound.allow === 'mesh' ? [] : inbound.allow;
  const tls = (ids: readonly SpiffeId[]) => ({
    tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
    tls_certificate_sds_secret_configs: [secretFrom(IDENTITY, identity)],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: ids.map((exact) => ({ san_type: 'URI', matcher: { exact } })),
      },
      validation_context_sds_secret_config: secretFrom(TRUST, trustResource),
    },
  });
  // With the host: on another loopback address the same port may be another destination.
  const name = ({ listen: { host, port } }: SidecarConfig['outbound'][number]) => `to-${host}-${port}`;
  return {
    node: { id: 'federate-sidecar', cluster: 'federate' },
    static_resources: {
      listeners: [
        ...(inbound
          ? [
              {
                name: 'inbound',
                address: socketAddress(inbound.listen),
                per_connection_buffer_limit_bytes: BUFFER_BYTES,
                filter_chains: [
                  {
                    transport_socket_connect_timeout: '5s',
                    transport_socket: {
                      name: 'envoy.transport_sockets.tls',
                      typed_config: {
                        '@type': `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
                        require_client_certificate: true,
                        // A session that is resumed is not judged by the roots of now.
                        disable_stateless_session_resumption: true,
                        disable_stateful_session_resumption: true,
                        common_tls_context: { ...tls(callers), alpn_protocols: ['h2', 'http/1.1'] },
                      },
                    },
                    filters: [httpManager('inbound', 'workload', [onlyThese(callers)], FROM_PEERS)],
                  },
                ],
              },
            ]
          : []),
        ...outbound.map((each) => ({
          name: name(each),
          address: socketAddress(each.listen),
          per_connection_buffer_limit_bytes: BUFFER_BYTES,
          filter_chains: [{ filters: [httpManager(name(each), name(each), [], FROM_WORKLOAD)] }],
        })),
      ],
      clusters: [
        grpcSocketCluster(IDENTITY, identitySocket),
        grpcSocketCluster(TRUST, trustSocket),
        ...(inbound ? [addressCluster('workload', inbound.forward_to)] : []),
        ...outbound.flatMap((each) =>
          each.endpoints.map(({ to, server_name, expect }) =>
            addressCluster(name(each), to, {
              transport_socket: {
                name: 'envoy.transport_sockets.tls',
                typed_config: {
                  '@type': `${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext`,
                  sni: server_name,
                  max_session_keys: 0,
                  common_tls_context: tls(expect),
                },
              },
              ...AGED,
            }),
          ),
        ),
      ],
    },
    overload_manager: overloadManager(),
  };
}

/** Connections to other sidecars end by themselves. */
const AGED = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
      common_http_protocol_options: { max_connection_duration: MAX_AGE },
      explicit_http_config: { http_protocol_options: {} },
    },
  },
};

/** Removes what a peer writes there itself; the workload reads the caller from it. */
const FROM_PEERS = {
  forward_client_cert_details: 'SANITIZE_SET',
  set_current_client_cert_details: { uri: true },
};
const FROM_WORKLOAD = { forward_client_cert_details: 'SANITIZE' };

function httpManager(
  statPrefix: string,
  cluster: string,
  filters: readonly object[],
  identity: object,
): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': HTTP_MANAGER,
      stat_prefix: statPrefix,
      ...identity,
      request_headers_timeout: '10s',
      common_http_protocol_options: { max_connection_duration: MAX_AGE, idle_timeout: '300s' },
      http2_protocol_options: { max_concurrent_streams: 100 },
      http_filters: [
        ...filters,
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` },
        },
      ],
      route_config: {
        virtual_hosts: [
          {
            name: cluster,
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster, timeout: '60s' } }],
          },
        ],
      },
    },
  };
}

/** Exactly these IDs; an empty list admits no identity. */
function onlyThese(ids: readonly SpiffeId[]): object {
  const policy = {
    permissions: [{ any: true }],
    principals: ids.map((exact) => ({ authenticated: { principal_name: { exact } } })),
  };
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: {
      '@type': `${TYPES}.filters.http.rbac.v3.RBAC`,
      rules: { action: 'ALLOW', policies: ids.length === 0 ? {} : { allowed: policy } },
    },
  };
}
