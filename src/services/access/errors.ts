import { CodedError } from '../../errors/index.ts';

export type AccessErrorCode =
  /** A caller is neither a SPIFFE ID with a path nor the name of a trust domain. */
  | 'caller-invalid'
  | 'method-invalid'
  /** A path has `%`, `//`, a dot segment or another form that servers read in several ways. */
  | 'path-not-canonical'
  | 'header-invalid'
  | 'rule-invalid'
  /** The rule names a port that the service lacks. */
  | 'port-unknown'
  /** A condition on methods, paths or headers stands on a port that does not speak HTTP. */
  | 'http-condition-on-tcp';

/** An access rule is refused. */
export class AccessError extends CodedError<AccessErrorCode> {}
