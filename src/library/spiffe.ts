/**
 * `federate/spiffe`: what the SPIFFE standards define, and mutual TLS by SPIFFE ID with Node's own
 * modules. Importing it changes nothing.
 */
export { CodedError } from '../errors/index.ts';
export {
  connectTls,
  type ConnectTarget,
} from './tls/connect.ts';
export {
  type ConnectionInjector,
  createChannelCredentials,
  createGrpcListener,
  type EmptyCredentials,
  type GrpcAuthContext,
  type GrpcCall,
  type GrpcModule,
  type GrpcServer,
  type InsecureCredentials,
  peerOfCall,
} from './tls/grpc.ts';
export { authorizeAny, authorizeId, authorizeMemberOf, authorizeOneOf } from './tls/authorizers.ts';
export {
  type Connector,
  type ConnectorTarget,
  createConnector,
  createHttpsAgent,
} from './tls/http-clients.ts';
export type { MtlsServerOptions } from './tls/guarded-server.ts';
export type { MtlsClientOptions, MtlsOptions } from './tls/mtls-options.ts';
export { peerOf } from './tls/proved-connections.ts';
export { createHttpsServer, createTlsServer } from './tls/servers.ts';
export {
  type Authorize,
  MtlsError,
  type MtlsErrorCode,
  type RefusedConnection,
  type RefusedPeer,
  type Svid,
  type SvidSource,
  svidFromDer,
  svidFromPem,
  type VerifiedPeer,
} from '../mtls/index.ts';
export type { Clock } from '../platform/index.ts';
export {
  BundleError,
  type BundleDiff,
  type BundleErrorCode,
  type BundleLimits,
  type BundleNote,
  type BundleNoteCode,
  bundleOf,
  type BundleReading,
  type BundleSource,
  bundlesEqual,
  BundleSet,
  certificatesFromPem,
  contentDigest,
  defaultBundleLimits,
  diffBundles,
  isSpiffeId,
  isTrustDomain,
  type JsonObject,
  type JsonValue,
  JsonNumber,
  type JwsAlgorithm,
  type JwtAuthority,
  type JwtSvid,
  JwtSvidError,
  type JwtSvidErrorCode,
  type JwtSvidOptions,
  MAX_SPIFFE_ID_BYTES,
  parseBundle,
  parseBundleMap,
  type ParsedBundle,
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  type PathLimits,
  PemError,
  type PemErrorCode,
  pemFromCertificates,
  serializeBundle,
  serializeBundleMap,
  type SpiffeId,
  SpiffeIdError,
  type SpiffeIdErrorCode,
  spiffeIdOf,
  SvidError,
  type TokenTimes,
  type TrustBundle,
  type TrustDomain,
  TrustDomainError,
  type TrustDomainErrorCode,
  trustDomainOf,
  verifyJwtSvid,
  verifyX509Svid,
  type X509Authority,
  x509AuthorityFromDer,
  type X509Svid,
  X509SvidError,
  type X509SvidErrorCode,
  type X509SvidOptions,
  type X509SvidWarning,
} from '../spiffe/index.ts';
