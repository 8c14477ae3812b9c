import { CodedError } from '../errors/index.ts';

export type AuditErrorCode =
  | 'audit-file-unusable'
  /** The file with the secrets cannot be read, or has none that can be used. */
  | 'audit-secret-unusable'
  | 'audit-webhook-unreachable'
  /** The webhook answered, and not with a status from 200 to 299. */
  | 'audit-webhook-refused';

/** Events could not be delivered. They stay in the store and are tried again. */
export class AuditError extends CodedError<AuditErrorCode> {}
