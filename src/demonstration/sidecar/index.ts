/** The mTLS proxy next to one workload, fed over SDS or by a SPIFFE Workload API. */
export { SidecarError, type SidecarErrorCode } from './errors.ts';
export { type Address, CLOSE_WITHIN_MS, type InboundOptions } from './inbound.ts';
export type { OutboundOptions } from './outbound.ts';
export { Sidecar, type SidecarOptions } from './sidecar.ts';
