import type {
  ClientRequest,
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream';
import { messageOf } from '../../errors/index.ts';
import { SidecarError } from './errors.ts';

/** Headers for one hop only; a proxy does not forward them (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  // Answered by our own server already.
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Only the sidecar of the called workload may state the caller, never the caller itself. */
const IDENTITY_HEADER = 'x-forwarded-client-cert';

/** The longest silence between a request and the end of its answer. */
const SILENCE_MS = 300_000;
/**
 * Kept connections that turn out to be dead, one after the other, before the last one's end is the
 * answer.
 */
const MAX_ATTEMPTS = 10;

/**
 * Returns the headers of a message for forwarding: without hop-by-hop headers and without a claimed
 * identity, also where its name is spelt in a way that some servers read as equal. The length of
 * the body stays, whatever `connection` names.
 */
function forwardedHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = (headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const passes = (name: string) =>
    name === 'content-length' ||
    (!HOP_BY_HOP.has(name) && !named.includes(name) && name.replaceAll('_', '-') !== IDENTITY_HEADER);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => passes(name)));
}

/**
 * As `forwardedHeaders`, with new framing for a body of unknown length, because Node by default
 * sends the body of a GET without framing.
 */
export function requestHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const chunked = headers['transfer-encoding'] === undefined ? {} : { 'transfer-encoding': 'chunked' };
  return { ...forwardedHeaders(headers), ...chunked };
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  /** Begins the request to the other side. */
  readonly open: () => ClientRequest;
  /** The reason why no answer arrived. Called before any byte went to the caller. */
  readonly onFailure: (error: Error, outgoing: ClientRequest) => void;
}

/**
 * Forwards a request and its answer, bodies with back-pressure; a break on either side ends the
 * other. Sends a safe request without a body again when a kept connection turns out to be dead.
 */
export function forward(exchange: Exchange, attempt = 1): void {
  const { incoming, response, onFailure } = exchange;
  let outgoing: ClientRequest;
  try {
    outgoing = exchange.open();
  } catch (error) {
    // A method, a path or a header that our server took and our client does not send.
    const why = messageOf(error);
    sendProblem(response, 502, 'request-malformed', `the request cannot be passed on: ${why}`);
    return;
  }
  let state: 'waiting' | 'passing' | 'refused' = 'waiting';
  const refuse = (why: string) => {
    if (state !== 'waiting') return;
    state = 'refused';
    onFailure(new SidecarError('answer-malformed', `the answer cannot be passed on: ${why}`), outgoing);
    outgoing.destroy();
  };
  outgoing.setTimeout(SILENCE_MS, () =>
    outgoing.destroy(
      new SidecarError('peer-silent', `there was no answer within ${SILENCE_MS / 1000} seconds`),
    ),
  );
  outgoing.on('response', (answer) => {
    const odd = passHead(answer, response);
    if (odd !== undefined) {
      refuse(odd);
      return;
    }
    state = 'passing';
    pipeline(answer, response, () => {});
  });
  // Without a listener Node closes the connection without an answer.
  outgoing.on('upgrade', (_answer, socket) => {
    socket.destroy();
    refuse('it switches the protocol without a request for that');
  });
  outgoing.on('error', (error) => {
    if (state === 'refused') return;
    if (state === 'passing' || response.destroyed) response.destroy();
    // The server may have closed it while it was idle; a new connection may still work.
    else if (outgoing.reusedSocket && isRepeatable(incoming) && attempt < MAX_ATTEMPTS)
      forward(exchange, attempt + 1);
    else onFailure(error, outgoing);
  });
  response.once('close', () => outgoing.destroy());
  incoming.once('error', () => outgoing.destroy());
  incoming.pipe(outgoing);
}

/** Passes on status and headers of an answer; why not, where they are none that HTTP has. */
function passHead(answer: IncomingMessage, response: ServerResponse): string | undefined {
  const { statusCode = 0, headers } = answer;
  if (statusCode < 200 || statusCode > 599) return `its status is ${statusCode}`;
  try {
    response.writeHead(statusCode, forwardedHeaders(headers));
    return undefined;
  } catch (error) {
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    return messageOf(error);
  }
}

function isRepeatable({ method, headers }: IncomingMessage): boolean {
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
