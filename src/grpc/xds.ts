import { loadProto, messageType } from './message-type.ts';
import { type AnyMessage, discoveryRequest, discoveryResponse, type SubjectAltNameMatcher } from './sds.ts';
import { method } from './service.ts';

export interface LocalityEndpoints {
  readonly lb_endpoints: readonly {
    readonly endpoint?: {
      readonly address?: {
        readonly socket_address?: { readonly address: string; readonly port_value: number };
      };
    };
  }[];
  /** 0 is used first. */
  readonly priority: number;
}

export interface Cluster {
  readonly name: string;
  readonly type: 'STATIC' | 'STRICT_DNS';
  readonly connect_timeout?: { readonly seconds: number | string; readonly nanos: number };
  readonly outlier_detection?: {
    readonly consecutive_5xx?: { readonly value: number };
    readonly max_ejection_percent?: { readonly value: number };
  };
  readonly transport_socket?: { readonly name: string; readonly typed_config?: AnyMessage };
  readonly load_assignment?: {
    readonly cluster_name: string;
    readonly endpoints: readonly LocalityEndpoints[];
  };
  readonly typed_extension_protocol_options?: Readonly<Record<string, AnyMessage>>;
}

/** A filter of a listener, or of its HTTP connection manager. */
export interface Filter {
  readonly name: string;
  readonly typed_config?: AnyMessage;
}

export interface Listener {
  readonly name: string;
  readonly address?: {
    readonly socket_address?: { readonly address: string; readonly port_value: number };
  };
  readonly filter_chains: readonly { readonly filters: readonly Filter[] }[];
}

export interface VirtualHost {
  readonly name: string;
  /** Values of the header `Host`, with or without a port. */
  readonly domains: readonly string[];
  readonly routes: readonly {
    readonly match?: { readonly prefix: string };
    readonly route?: {
      readonly cluster: string;
      readonly retry_policy?: {
        readonly retry_on: string;
        readonly num_retries?: { readonly value: number };
      };
    };
  }[];
}

export interface HttpConnectionManager {
  readonly stat_prefix: string;
  readonly route_config?: { readonly name: string; readonly virtual_hosts: readonly VirtualHost[] };
  readonly http_filters: readonly Filter[];
}

/** Which HTTP a cluster speaks. */
export interface HttpProtocolOptions {
  readonly explicit_http_config?: {
    readonly http_protocol_options?: Readonly<Record<string, never>>;
    readonly http2_protocol_options?: Readonly<Record<string, never>>;
  };
}

/** A secret that the proxy gets over SDS, and by which of its clusters. */
export interface SdsSecretConfig {
  readonly name: string;
  readonly sds_config?: {
    readonly api_config_source?: {
      readonly api_type: 'GRPC';
      readonly grpc_services: readonly { readonly envoy_grpc: { readonly cluster_name: string } }[];
      readonly transport_api_version: 'V3';
    };
    readonly resource_api_version: 'V3';
  };
}

export interface UpstreamTlsContext {
  readonly common_tls_context?: {
    readonly tls_certificate_sds_secret_configs: readonly SdsSecretConfig[];
    readonly combined_validation_context?: {
      readonly default_validation_context?: {
        readonly match_typed_subject_alt_names: readonly SubjectAltNameMatcher[];
      };
      readonly validation_context_sds_secret_config?: SdsSecretConfig;
    };
  };
  readonly sni: string;
}

/** Exactly one member is set, in this matcher and in the ones below. */
export interface StringMatcher {
  readonly exact?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly safe_regex?: { readonly regex: string };
}

export interface HeaderMatcher {
  readonly name: string;
  readonly present_match?: boolean;
  readonly string_match?: StringMatcher;
  readonly invert_match?: boolean;
}

export interface RbacPermission {
  readonly and_rules?: { readonly rules: readonly RbacPermission[] };
  readonly or_rules?: { readonly rules: readonly RbacPermission[] };
  readonly any?: boolean;
  readonly header?: HeaderMatcher;
  readonly destination_port?: number;
  readonly not_rule?: RbacPermission;
  readonly url_path?: { readonly path?: StringMatcher };
}

export interface RbacPrincipal {
  readonly and_ids?: { readonly ids: readonly RbacPrincipal[] };
  readonly or_ids?: { readonly ids: readonly RbacPrincipal[] };
  readonly any?: boolean;
  readonly authenticated?: { readonly principal_name?: StringMatcher };
  readonly not_id?: RbacPrincipal;
}

/** Envoy's RBAC: some policy matches where one of its permissions and one of its principals do. */
export interface Rbac {
  readonly action: 'ALLOW' | 'DENY' | 'LOG';
  readonly policies: Readonly<
    Record<
      string,
      { readonly permissions: readonly RbacPermission[]; readonly principals: readonly RbacPrincipal[] }
    >
  >;
}

export interface TypedExtensionConfig {
  readonly name: string;
  readonly typed_config?: AnyMessage;
}

export const CLUSTER_TYPE_URL = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
export const UPSTREAM_TLS_TYPE_URL =
  'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
export const EXTENSION_CONFIG_TYPE_URL = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';
export const LISTENER_TYPE_URL = 'type.googleapis.com/envoy.config.listener.v3.Listener';
export const HTTP_MANAGER_TYPE_URL =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
export const ROUTER_TYPE_URL = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
export const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
export const NETWORK_RBAC_TYPE_URL = 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC';
export const HTTP_RBAC_TYPE_URL = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC';

const root = loadProto('xds');

export const clusterMessage = messageType<Cluster>(root, 'federate.xds.Cluster');
export const upstreamTlsMessage = messageType<UpstreamTlsContext>(root, 'federate.xds.UpstreamTlsContext');
export const extensionConfigMessage = messageType<TypedExtensionConfig>(
  root,
  'federate.xds.TypedExtensionConfig',
);
/** The config of Envoy's HTTP filter. */
export const httpRbacMessage = messageType<{ readonly rules?: Rbac }>(root, 'federate.xds.HttpRbac');

/** The config of Envoy's filter for connections. */
export const networkRbacMessage = messageType<{ readonly rules?: Rbac; readonly stat_prefix: string }>(
  root,
  'federate.xds.NetworkRbac',
);
export const listenerMessage = messageType<Listener>(root, 'federate.xds.Listener');
export const httpManagerMessage = messageType<HttpConnectionManager>(
  root,
  'federate.xds.HttpConnectionManager',
);
export const httpOptionsMessage = messageType<HttpProtocolOptions>(root, 'federate.xds.HttpProtocolOptions');

const stream = (path: string) =>
  method({
    path,
    request: discoveryRequest,
    response: discoveryResponse,
    requestStream: true,
    responseStream: true,
  });

/** Envoy's `ClusterDiscoveryService`, state of the world. */
export const clusterDiscoveryService = {
  StreamClusters: stream('/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters'),
} as const;

/** Envoy's `ExtensionConfigDiscoveryService`, state of the world. */
export const extensionConfigDiscoveryService = {
  StreamExtensionConfigs: stream(
    '/envoy.service.extension.v3.ExtensionConfigDiscoveryService/StreamExtensionConfigs',
  ),
} as const;

/** Envoy's `AggregatedDiscoveryService`, state of the world: every type on one stream. */
export const aggregatedDiscoveryService = {
  StreamAggregatedResources: stream(
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  ),
} as const;
