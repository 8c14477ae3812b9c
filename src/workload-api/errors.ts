import { CodedError } from '../spiffe/index.ts';

export type WorkloadApiErrorCode =
  /** Another process answers on the socket. */
  | 'socket-in-use'
  | 'socket-failed'
  /** A received secret is of an unknown kind, or lacks what its kind needs. */
  | 'secret-malformed'
  /** A cluster lacks an address, TLS, an SNI or the SPIFFE IDs of the other side. */
  | 'cluster-malformed'
  /** An RBAC filter has a condition that we cannot judge. */
  | 'access-filter-malformed'
  /** The address of a Workload API is not a `unix` or `tcp` URI of the standard's form. */
  | 'endpoint-address-invalid'
  /** The Workload API is to be taken from `SPIFFE_ENDPOINT_SOCKET`, which is not set. */
  | 'endpoint-address-missing'
  /** A message of the Workload API lacks a required part, or contains an unreadable one. */
  | 'message-malformed'
  /** A Workload API sent nothing usable until its caller gave up. */
  | 'no-update'
  /** It has no identity for us, will never answer this request, or does not answer now. */
  | 'permission-denied'
  | 'refused'
  | 'unavailable';

/** A socket could not be opened, an address is invalid, or a secret or message cannot be used. */
export class WorkloadApiError extends CodedError<WorkloadApiErrorCode> {}
