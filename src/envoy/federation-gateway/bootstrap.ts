import { type SpiffeId, spiffeIdOf, type TrustDomain } from '../../spiffe/index.ts';
import type { FederationGatewayConfig } from '../../config/index.ts';
import {
  BUFFER_BYTES,
  grpcSocketCluster,
  overloadManager,
  secretFrom,
  socketAddress,
} from '../base/building-blocks.ts';
import { byIdentity, networkFilters } from './network-filters.ts';
import { gatewaySecrets } from './secrets.ts';

const AGENT_CLUSTER = 'agent';

/**
 * Renders the bootstrap of the Envoy of a federation gateway. Outside it admits the listed
 * identities only, each by the roots of its own trust domain, and presents the leaf of the
 * gateway's own service. Inside it presents the leaf of the Consul service that stands for the
 * identity, and requires the destination's. All keys and roots come over SDS; the document holds
 * none.
 */
export function gatewayBootstrap(options: {
  readonly gateway: FederationGatewayConfig;
  /** Absolute: Envoy may be started anywhere. */
  readonly sdsSocket: string;
  readonly trustDomain: TrustDomain;
}): object {
  const { gateway, sdsSocket, trustDomain } = options;
  const { listen, identities, routes, datacenter } = gateway;
  const clusterOf = (sni: string, id: SpiffeId) => `${sni}|${id}`;
  const idOf = (service: string) => spiffeIdOf(trustDomain, `/ns/default/dc/${datacenter}/svc/${service}`);
  const within = routes.some(({ protocol }) => protocol === 'tcp') ? byIdentity() : undefined;
  return {
    node: { id: gateway.service, cluster: gateway.service },
    ...(within && { bootstrap_extensions: [within.extension] }),
    static_resources: {
      listeners: [
        ...(within ? [within.listener] : []),
        {
          name: 'foreign',
          address: socketAddress(listen),
          per_connection_buffer_limit_bytes: BUFFER_BYTES,
          listener_filters: [
            {
              name: 'envoy.filters.listener.tls_inspector',
              typed_config: { '@type': TYPE.tlsInspector },
            },
          ],
          listener_filters_timeout: '5s',
          filter_chains: routes.map((route) => ({
            name: route.sni,
            filter_chain_match: { server_names: [route.sni], transport_protocol: 'tls' },
            transport_socket_connect_timeout: '5s',
            transport_socket: outside(gateway, route.protocol),
            filters: networkFilters({
              route,
              maxAgeMs: gateway.max_connection_age,
              clusters: identities.map(({ spiffe_id: id }) => ({ name: clusterOf(route.sni, id), id })),
            }),
          })),
        },
      ],
      clusters: [
        ...(within ? [within.cluster] : []),
        grpcSocketCluster(AGENT_CLUSTER, sdsSocket),
        ...routes.flatMap((route) =>
          identities.map(({ spiffe_id: id, service }) => ({
            name: clusterOf(route.sni, id),
            // The address may be a name, which Envoy resolves again and again.
            type: 'STRICT_DNS',
            connect_timeout: '5s',
            ...(route.protocol === 'http' && {
              typed_extension_protocol_options: {
                [TYPE.httpOptions]: {
                  '@type': `type.googleapis.com/${TYPE.httpOptions}`,
                  auto_config: { http_protocol_options: {}, http2_protocol_options: {} },
                },
              },
            }),
            load_assignment: {
              cluster_name: clusterOf(route.sni, id),
              endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(route.address) } }] }],
            },
            transport_socket: inside({
              leaf: service,
              destination: idOf(route.service),
              sni: `${route.service}.default.${datacenter}.internal.${trustDomain}`,
            }),
          })),
        ),
      ],
    },
    overload_manager: overloadManager(),
  };
}

const TYPE = {
  tlsInspector: 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  downstreamTls: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  upstreamTls: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  httpOptions: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
} as const;

function outside({ service }: FederationGatewayConfig, protocol: 'http' | 'tcp') {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': TYPE.downstreamTls,
      require_client_certificate: true,
      // A session that is resumed is not judged by the roots of now.
      disable_stateless_session_resumption: true,
      disable_stateful_session_resumption: true,
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
        ...(protocol === 'http' && { alpn_protocols: ['h2', 'http/1.1'] }),
        tls_certificate_sds_secret_configs: [fromAgent(gatewaySecrets.leaf(service))],
        validation_context_sds_secret_config: fromAgent(gatewaySecrets.foreign),
      },
    },
  };
}

function inside(options: { readonly leaf: string; readonly destination: SpiffeId; readonly sni: string }) {
  const { leaf, destination, sni } = options;
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': TYPE.upstreamTls,
      sni,
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
        tls_certificate_sds_secret_configs: [fromAgent(gatewaySecrets.leaf(leaf))],
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: destination } }],
          },
          validation_context_sds_secret_config: fromAgent(gatewaySecrets.own),
        },
      },
    },
  };
}

function fromAgent(name: string) {
  return secretFrom(AGENT_CLUSTER, name);
}
