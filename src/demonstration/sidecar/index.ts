/** The mTLS proxy next to one workload, fed over SDS or by a SPIFFE Workload API. */
export { type AccessSource, allOf } from './access/access-source.ts';
export { judgeFilters } from './access/judge-filters.ts';
export { PolicyFile } from './access/policy-file.ts';
export { MeshDiscovery } from './discovery/mesh-discovery.ts';
export type { Address, InboundOptions } from './inbound.ts';
export type { OutboundOptions } from './outbound.ts';
export { Sidecar, type SidecarOptions } from './sidecar.ts';
export { type Endpoint, fixedUpstream, type UpstreamSource } from './upstream/upstream.ts';
export type { Timeouts } from './exchange/timeouts.ts';
export { loadRequestSigner, loadRequestVerifier } from './signing/load-signing.ts';
export { readSigningKey, type SigningAlgorithm } from './signing/signing-key.ts';
