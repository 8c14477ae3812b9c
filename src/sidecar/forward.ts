import type {
  ClientRequest,
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream';

/** Said by the caller's side only; no proxy passes it on (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Who called is for the sidecar of the called workload to say, never for the caller. */
const IDENTITY_HEADER = 'x-forwarded-client-cert';

/** The headers of a message as they are passed on, without what belongs to one hop and without a claimed identity. */
export function forwardedHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = (headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !HOP_BY_HOP.has(name) && !named.includes(name) && name !== IDENTITY_HEADER,
    ),
  );
}

/** Passes a response back with back-pressure; a break on either side ends the other. */
export function relayResponse(incoming: IncomingMessage, response: ServerResponse): void {
  response.writeHead(incoming.statusCode ?? 502, forwardedHeaders(incoming.headers));
  pipeline(incoming, response, () => {});
}

/** Passes the body of a request on with back-pressure. */
export function relayBody(incoming: IncomingMessage, outgoing: ClientRequest): void {
  incoming.pipe(outgoing);
  incoming.once('aborted', () => outgoing.destroy());
}

/** Whether a request may be sent once more when a kept connection turned out to be dead: it has no body and changes nothing. */
export function isRepeatable({ method, headers }: IncomingMessage): boolean {
  const bodiless = headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
  return bodiless && (method === 'GET' || method === 'HEAD' || method === 'OPTIONS');
}

/** An answer of the sidecar's own: why there is none from the other side. */
export function sendProblem(
  response: ServerResponse,
  status: 502 | 503,
  code: string,
  message: string,
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ code, message }));
}
