/**
 * The interfaces for proxies and workloads: Envoy's secret discovery service and the SPIFFE
 * Workload API.
 */
export {
  type AccessFilter,
  accessFilters,
  decodeAccessFilter,
  encodeAccessFilter,
  INBOUND_FILTERS,
} from './access-filter.ts';
export {
  type ConnectionSecrets,
  type DiscoveredService,
  clusterName,
  decodeDiscoveredService,
  discoveredServices,
  encodeDiscoveredService,
} from './discovered-service.ts';
export { DiscoveryClient } from './discovery-client.ts';
export { DiscoveryService, type NamedResources } from './discovery-service.ts';
export {
  ENDPOINT_VARIABLE,
  type EndpointAddress,
  parseEndpointAddress,
  resolveEndpointAddress,
} from './endpoint-address.ts';
export { WorkloadApiError, type WorkloadApiErrorCode } from './errors.ts';
export { type FetchedJwtSvid, fetchJwtSvids, type JwtSvidQuery } from './fetch-jwt-svids.ts';
export { FittedTrust, type UnservedSince } from './fit-bundles.ts';
export { HealthService } from './health-service.ts';
export { filterNames, serviceResources } from './service-resources.ts';
export { SdsClient } from './sds-client.ts';
export { type SdsAcknowledgement, SdsServer } from './sds-server.ts';
export { createSdsSvidSource } from './sds-svid-source.ts';
export type { SdsSecret, UriSanMatcher } from './secret.ts';
export { SpiffeWorkloadApi } from './spiffe-workload-api.ts';
export { WorkloadBundleClient } from './workload-bundle-client.ts';
export { WorkloadServer } from './workload-server.ts';
export type { WorkloadState } from './workload-state.ts';
export type { WorkloadApiProblem } from './workload-api-problem.ts';
export {
  createWorkloadSvidSource,
  type SvidChoice,
  type WorkloadSvidSource,
} from './workload-svid-source.ts';
export { WorkloadX509Client } from './workload-x509-client.ts';
export type { OfferedSvid } from './offered-svid.ts';
