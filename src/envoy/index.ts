/** Envoy's configuration, written from ours; and the trust of the federation gateway, which is an Envoy. */
export { renderEnvoy } from './bootstrap/render.ts';
export { createFederationGateway } from './federation-gateway/gateway.ts';
export { renderFederationGateway } from './federation-gateway/render.ts';
