import { CodedError } from '../../errors/index.ts';

/**
 * Why an export, an access rule or a declared service was refused.
 *
 * - `service-unknown` no service of ours has this ID
 * - `peer-unknown` there is no relationship with this trust domain
 * - `service-not-exportable` the service has an obstacle, such as workloads that take plain text
 * - `declared-in-config` the config file declares it, so only the config file can change it
 */
export type ExportErrorCode =
  | 'service-unknown'
  | 'peer-unknown'
  | 'service-not-exportable'
  | 'declared-in-config';

/** Something about the services that we export was refused; what was in effect stays. */
export class ExportError extends CodedError<ExportErrorCode> {}
