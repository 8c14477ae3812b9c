/** Serves our bundle over HTTPS, in both endpoint profiles (SPIFFE Federation §5.2). */
export { BundleEndpoint, type BundleEndpointOptions } from './bundle-endpoint.ts';
export { matchesTag, tagOfBundle } from './published-bundle.ts';
export { WaitingClients } from './waiting-clients.ts';
export { readWebCertificate } from './web-certificate.ts';
export type { EndpointExtension, ExtensionRequest } from './extension.ts';
