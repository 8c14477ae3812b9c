import { CodedError } from '../../spiffe/index.ts';

/** Why a simulated control plane, or its control client, could not do what was asked. */
export type SimulatedMeshErrorCode =
  | 'ca-state-malformed'
  | 'ca-other-trust-domain'
  | 'rotation-phase'
  | 'state-malformed'
  | 'not-started'
  | 'control-unreachable'
  | 'control-refused'
  | 'control-malformed'
  | 'peering-token'
  | 'peering-stream'
  | 'port-in-use'
  | 'listen-failed';

/** A simulated control plane could not do what was asked; `code` says why. */
export class SimulatedMeshError extends CodedError<SimulatedMeshErrorCode> {}
