/** Serves our bundle over HTTPS, in both endpoint profiles (SPIFFE Federation §5.2). */
export { BundleEndpoint, type BundleEndpointOptions } from './bundle-endpoint.ts';
export type { SeenBundleRequest } from './seen-clients.ts';
export { EndpointError, type EndpointErrorCode } from './errors.ts';
export { tagOfBundle } from './published-bundle.ts';
export { readWebCertificate } from './web-certificate.ts';
export type { EndpointExtension, ExtensionAnswer, ExtensionPlan, ExtensionRequest } from './extension.ts';
export type { EndpointIdentity } from './shown-identity.ts';
