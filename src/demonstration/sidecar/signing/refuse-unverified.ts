import type { SidecarError, SidecarErrorCode } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';

const OTHER_STATUSES: ReadonlyMap<SidecarErrorCode, number> = new Map([
  ['request-malformed', 400],
  ['peer-broke', 400],
  ['content-too-large', 413],
  ['content-memory-full', 503],
  ['replay-memory-full', 503],
  ['request-timeout', 504],
]);

/** Answers a request whose signature or content is not accepted: 401, unless the cause is another. */
export function refuseUnverified(exchange: Exchange, { code, message }: SidecarError): void {
  const status = OTHER_STATUSES.get(code) ?? 401;
  exchange.refuse(status, code, message, status === 401 ? { 'www-authenticate': 'Signature' } : {});
}
