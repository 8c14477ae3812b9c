import type { WarningDocument } from './api/fields.ts';
import type { UnservedSince } from '../workload-api/index.ts';

/** The warning that a socket does not give out a peer, or not with all of its roots. */
export function unservedWarning(
  socket: string,
  { trustDomain, code, message, since }: UnservedSince,
): WarningDocument {
  return {
    trust_domain: trustDomain,
    code: 'socket-refused',
    message: `${socket} does not give out all of the trust in ${trustDomain}: ${message} [${code}]`,
    since: since.toISOString(),
  };
}
