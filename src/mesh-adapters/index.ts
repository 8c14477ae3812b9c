/** One folder per mesh: its own roots out, foreign bundles in; and the loop that keeps wanted and actual the same. */
export { MeshAdapterError } from './errors.ts';
export { ForeignTrustPublisher } from './publisher.ts';

export type { MeshAdapterErrorCode } from './errors.ts';
export type {
  AdapterStatus,
  ForeignTrustReport,
  MeshAdapter,
  OwnTrust,
  PropagationState,
  TrustScope,
} from './mesh-adapter.ts';
export type { ForeignTrustPublisherOptions } from './publisher.ts';
