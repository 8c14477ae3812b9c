/** The mTLS proxy next to one workload, fed over SDS or by a SPIFFE Workload API. */
export { SidecarError, type SidecarErrorCode } from './errors.ts';
export type { Address, InboundOptions } from './inbound.ts';
export { CLOSE_WITHIN_MS } from './limits.ts';
export type { OutboundOptions } from './outbound.ts';
export { Sidecar, type SidecarOptions } from './sidecar.ts';
export { type Endpoint, fixedUpstream, type Upstream, type UpstreamSource } from './upstream/upstream.ts';
export type { Timeouts } from './exchange/timeouts.ts';
