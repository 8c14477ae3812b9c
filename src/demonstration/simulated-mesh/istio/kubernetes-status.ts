import { CodedError } from '../../../spiffe/index.ts';

/** The `reason` of a `Status` object. */
type KubernetesReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Expired'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'Invalid'
  | 'TooManyRequests'
  | 'InternalError';

const HTTP_CODES: Readonly<Record<KubernetesReason, StatusCode>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
};

type StatusCode = 400 | 401 | 403 | 404 | 405 | 409 | 410 | 413 | 415 | 422 | 429 | 500;

/** The `Status` object with which a Kubernetes API server refuses a request. */
export interface StatusDocument {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Record<string, never>;
  readonly status: 'Failure' | 'Success';
  readonly message?: string;
  readonly reason?: KubernetesReason;
  readonly details?: { readonly name?: string; readonly kind?: string };
  readonly code?: number;
}

/**
 * A refusal of the simulated Kubernetes API; `code` is the `reason` of the `Status` object it
 * becomes.
 */
export class KubernetesError extends CodedError<KubernetesReason> {
  get httpStatus(): StatusCode {
    return HTTP_CODES[this.code];
  }

  toStatus(details: StatusDocument['details'] = {}): StatusDocument {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.code,
      details,
      code: this.httpStatus,
    };
  }
}
