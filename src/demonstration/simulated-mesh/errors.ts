import { CodedError } from '../../spiffe/index.ts';

/**
 * The reasons for which a simulated control plane, or its control client, could not do what was
 * requested.
 */
export type SimulatedMeshErrorCode =
  | 'ca-state-malformed'
  | 'ca-other-trust-domain'
  | 'rotation-phase'
  | 'state-malformed'
  | 'manifest-malformed'
  | 'not-started'
  | 'control-unreachable'
  | 'control-refused'
  | 'control-malformed'
  | 'peering-token'
  | 'peering-stream'
  | 'port-in-use'
  | 'listen-failed';

/** A simulated control plane could not do what was requested; `code` is the reason. */
export class SimulatedMeshError extends CodedError<SimulatedMeshErrorCode> {}
