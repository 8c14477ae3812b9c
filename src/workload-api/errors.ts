import { CodedError } from '../spiffe/index.ts';

export type WorkloadApiErrorCode =
  /** Another process answers on the socket. */
  | 'socket-in-use'
  | 'socket-failed'
  /** A secret that was received is of no kind we know, or does not hold what its kind needs. */
  | 'secret-malformed'
  /** The address of a Workload API is no `unix` or `tcp` URI of the standard's form. */
  | 'endpoint-address-invalid'
  /** `SPIFFE_ENDPOINT_SOCKET` is to name the Workload API, and is not set. */
  | 'endpoint-address-missing'
  /** A message of the Workload API lacks what it must have, or holds what cannot be read. */
  | 'message-malformed';

/**
 * A socket that could not be opened, an address that names none, or a secret or message that cannot
 * be used.
 */
export class WorkloadApiError extends CodedError<WorkloadApiErrorCode> {}
