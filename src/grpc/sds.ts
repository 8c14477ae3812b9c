import { loadProto, messageType } from './message-type.ts';
import { method } from './service.ts';

/** `google.protobuf.Any`. */
export interface AnyMessage {
  readonly type_url: string;
  readonly value: Buffer;
}

export interface DiscoveryRequest {
  readonly version_info: string;
  readonly node?: { readonly id: string; readonly cluster: string };
  readonly resource_names: readonly string[];
  readonly type_url: string;
  readonly response_nonce: string;
  /** Present on a NACK; `version_info` is then the version still in use. */
  readonly error_detail?: { readonly code: number; readonly message: string };
}

export interface DiscoveryResponse {
  readonly version_info: string;
  readonly resources: readonly AnyMessage[];
  readonly type_url: string;
  readonly nonce: string;
}

/**
 * A request of the incremental variant: additional names, names no longer wanted, or an answer to a
 * response.
 */
export interface DeltaDiscoveryRequest {
  readonly node?: { readonly id: string; readonly cluster: string };
  readonly type_url: string;
  readonly resource_names_subscribe: readonly string[];
  readonly resource_names_unsubscribe: readonly string[];
  /**
   * In the first request of a stream: what the client holds from an earlier stream, with its
   * versions.
   */
  readonly initial_resource_versions: Readonly<Record<string, string>>;
  readonly response_nonce: string;
  /** Present on a NACK. */
  readonly error_detail?: { readonly code: number; readonly message: string };
}

export interface DeltaDiscoveryResponse {
  readonly system_version_info: string;
  readonly resources: readonly {
    readonly version: string;
    readonly resource?: AnyMessage;
    readonly name: string;
  }[];
  readonly type_url: string;
  readonly nonce: string;
  readonly removed_resources: readonly string[];
}

/** Exactly one member is set. */
export interface DataSource {
  readonly filename?: string;
  readonly inline_bytes?: Buffer;
  readonly inline_string?: string;
}

export interface SubjectAltNameMatcher {
  readonly san_type: 'SAN_TYPE_UNSPECIFIED' | 'EMAIL' | 'DNS' | 'URI' | 'IP_ADDRESS';
  readonly matcher?: { readonly exact?: string; readonly prefix?: string; readonly suffix?: string };
}

export interface CertificateValidationContext {
  readonly trusted_ca?: DataSource;
  readonly custom_validator_config?: { readonly name: string; readonly typed_config?: AnyMessage };
  readonly match_typed_subject_alt_names?: readonly SubjectAltNameMatcher[];
}

/** One of `tls_certificate` and `validation_context` is set. */
export interface Secret {
  readonly name: string;
  readonly tls_certificate?: { readonly certificate_chain?: DataSource; readonly private_key?: DataSource };
  readonly validation_context?: CertificateValidationContext;
}

export interface SpiffeCertValidatorConfig {
  readonly trust_domains: readonly { readonly name: string; readonly trust_bundle?: DataSource }[];
}

/** The type URL of a `Secret` resource, also of every request and response of the stream. */
export const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
/** The name and the config type of Envoy's validator that keeps one bundle per trust domain. */
export const SPIFFE_VALIDATOR_NAME = 'envoy.tls.cert_validator.spiffe';
export const SPIFFE_VALIDATOR_TYPE_URL =
  'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';

const root = loadProto('sds');
export const discoveryRequest = messageType<DiscoveryRequest>(root, 'federate.sds.DiscoveryRequest');
export const discoveryResponse = messageType<DiscoveryResponse>(root, 'federate.sds.DiscoveryResponse');

const deltaDiscoveryRequest = messageType<DeltaDiscoveryRequest>(root, 'federate.sds.DeltaDiscoveryRequest');
const deltaDiscoveryResponse = messageType<DeltaDiscoveryResponse>(
  root,
  'federate.sds.DeltaDiscoveryResponse',
);

export const secretMessage = messageType<Secret>(root, 'federate.sds.Secret');
export const spiffeValidatorMessage = messageType<SpiffeCertValidatorConfig>(
  root,
  'federate.sds.SPIFFECertValidatorConfig',
);

/** Envoy's `SecretDiscoveryService`. */
export const secretDiscoveryService = {
  StreamSecrets: method({
    path: '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
    request: discoveryRequest,
    response: discoveryResponse,
    requestStream: true,
    responseStream: true,
  }),
  DeltaSecrets: method({
    path: '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
    request: deltaDiscoveryRequest,
    response: deltaDiscoveryResponse,
    requestStream: true,
    responseStream: true,
  }),
  FetchSecrets: method({
    path: '/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets',
    request: discoveryRequest,
    response: discoveryResponse,
    requestStream: false,
    responseStream: false,
  }),
} as const;
