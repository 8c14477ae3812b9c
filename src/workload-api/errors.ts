import { CodedError } from '../spiffe/index.ts';

export type WorkloadApiErrorCode =
  /** Another process answers on the socket. */
  | 'socket-in-use'
  | 'socket-failed'
  /** A secret that was received is of no kind we know, or does not hold what its kind needs. */
  | 'secret-malformed';

/** The Unix socket of an SDS server could not be opened, or a secret could not be used. */
export class WorkloadApiError extends CodedError<WorkloadApiErrorCode> {}
