import { CodedError } from '../spiffe/index.ts';

export type EndpointErrorCode =
  | 'port-in-use'
  | 'listen-failed'
  /** `https_web`: the certificate or key file cannot be used. */
  | 'certificate-unusable'
  /** `https_web`: the certificate does not name the host of the advertised URL (FED-16). */
  | 'certificate-other-host';

/** The bundle endpoint could not start. */
export class EndpointError extends CodedError<EndpointErrorCode> {}
