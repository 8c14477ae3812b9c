/** What proxies ask for: Envoy's secret discovery service, as a server and as a client. */
export { WorkloadApiError, type WorkloadApiErrorCode } from './errors.ts';
export { SdsClient, type SdsClientOptions } from './sds-client.ts';
export { type SdsAcknowledgement, SdsServer } from './sds-server.ts';
export { createSdsSvidSource } from './sds-svid-source.ts';
export type { SdsSecret, UriSanMatcher } from './secret.ts';
