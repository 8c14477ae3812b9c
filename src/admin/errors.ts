import { CodedError } from '../errors/index.ts';

/** A question that the admin API cannot answer. */
export class AdminError extends CodedError<
  'no-bundle' | 'no-such-version' | 'request-invalid' | 'event-kind-unknown' | 'not-federated'
> {}
