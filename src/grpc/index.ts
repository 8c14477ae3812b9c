/**
 * The gRPC interfaces we speak in both roles, as typed messages and service definitions written
 * from field numbers.
 */
export { type HealthCheckRequest, type HealthCheckResponse, healthService } from './health.ts';
export {
  EXPORTED_SERVICE_LIST_URL,
  EXPORTED_SERVICE_URL,
  type ExchangeSecretRequest,
  type ExchangeSecretResponse,
  exportedServiceListMessage,
  leaderAddressMessage,
  PEERING_SERVER_ADDRESSES_URL,
  PEERING_TRUST_BUNDLE_URL,
  type PeeringTrustBundle,
  peeringServerAddressesMessage,
  peeringTrustBundleMessage,
  peerStreamService,
  type ReplicationMessage,
  statusMessage,
} from './peerstream.ts';
export {
  type AnyMessage,
  type CertificateValidationContext,
  type DataSource,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  SECRET_TYPE_URL,
  type Secret,
  SPIFFE_VALIDATOR_NAME,
  SPIFFE_VALIDATOR_TYPE_URL,
  type SubjectAltNameMatcher,
  secretDiscoveryService,
  secretMessage,
  spiffeValidatorMessage,
} from './sds.ts';
export {
  SPIRE_DELETE_MODE,
  type SpireBundle,
  type SpireFederationRelationship,
  type SpireStatus,
  spireBundleService,
  spireTrustDomainService,
} from './spire.ts';
export {
  type JwtBundlesResponse,
  type JwtSvidRequest,
  type JwtSvidResponse,
  spiffeWorkloadService,
  type StructMessage,
  type ValidateJwtSvidRequest,
  type ValidateJwtSvidResponse,
  type ValueMessage,
  type WorkloadX509Svid,
  type X509BundlesResponse,
  type X509SvidResponse,
} from './workload.ts';
export {
  CLUSTER_TYPE_URL,
  type Cluster,
  clusterDiscoveryService,
  clusterMessage,
  EXTENSION_CONFIG_TYPE_URL,
  extensionConfigDiscoveryService,
  extensionConfigMessage,
  HTTP_RBAC_TYPE_URL,
  type HeaderMatcher,
  httpRbacMessage,
  type LocalityEndpoints,
  type Rbac,
  type RbacPermission,
  type RbacPrincipal,
  type SdsSecretConfig,
  type StringMatcher,
  UPSTREAM_TLS_TYPE_URL,
  upstreamTlsMessage,
} from './xds.ts';
