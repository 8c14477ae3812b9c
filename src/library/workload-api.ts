/**
 * `federate/workload-api`: a client of the SPIFFE Workload API. Its sources keep SVIDs and bundles
 * fresh, and fit the helpers of `federate/spiffe`. Importing it changes nothing.
 */
export { BundleSource } from './workload-api/bundle-source.ts';
export { JwtSource } from './workload-api/jwt-source.ts';
export { type SourceEvents, type SourceOptions, WorkloadSource } from './workload-api/workload-source.ts';
export { X509Source, type X509SourceOptions } from './workload-api/x509-source.ts';
export {
  type FetchedJwtSvid,
  type JwtSvidQuery,
  type OfferedSvid,
  WorkloadApiError,
  type WorkloadApiErrorCode,
  type WorkloadApiProblem,
} from '../workload-api/index.ts';
export type { UnprovenJwtSvid } from '../spiffe/index.ts';
