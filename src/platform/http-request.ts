import { type IncomingMessage, request as plainRequest } from 'node:http';
import type { RequestOptions } from 'node:https';
import { CodedError } from '../errors/index.ts';
import { defined } from '../objects/index.ts';
import { type Clock, systemClock } from './clock.ts';
import { within } from './within.ts';

/** An answer took too long, or is too long. Every other failure is Node's own error. */
export class HttpError extends CodedError<'answer-late' | 'answer-too-large'> {}

/** Trust and client certificate of a connection, and headers of its credentials. */
export type HttpConnection = Omit<RequestOptions, 'headers'> & {
  readonly headers?: Readonly<Record<string, string>>;
};

export interface HttpRequest {
  /** `GET` by default. */
  readonly method?: string;
  /** An address, or a path of the server behind a Unix socket. */
  readonly to: URL | { readonly socketPath: string; readonly path: string };
  readonly headers?: Readonly<Record<string, string>>;
  /** The body, sent as JSON; none where it is undefined. `headers` may name another media type. */
  readonly json?: unknown;
  readonly connection?: HttpConnection;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * Sends one whole request and reads the whole answer, bounded in bytes and time. Follows no
 * redirect. Throws `HttpError`, the reason of the request's signal, or Node's error.
 */
export async function callHttp(
  request: HttpRequest,
  limits: { readonly maxBytes: number; readonly timeoutMs: number; readonly clock?: Clock },
): Promise<HttpAnswer> {
  const { clock = systemClock, maxBytes, timeoutMs } = limits;
  const ask = async (signal: AbortSignal) => {
    const answer = await openHttp({ ...request, signal });
    const body = await readHttpBody(answer, maxBytes);
    return { status: answer.statusCode ?? 0, headers: answer.headers, body };
  };
  const answer = await within(clock, timeoutMs, ask, request.signal);
  if (answer) return answer;
  request.signal?.throwIfAborted();
  throw new HttpError('answer-late', `no answer within ${timeoutMs / 1000} s`);
}

/** Sends a request and returns the answer as soon as its headers arrive. Rejects as `callHttp`. */
export async function openHttp(request: HttpRequest): Promise<IncomingMessage> {
  const { method = 'GET', to, headers, json, connection, signal } = request;
  // Loaded here alone: TLS is large, and most commands ask only a socket.
  const isTls = to instanceof URL && to.protocol === 'https:';
  const send = isTls ? (await import('node:https')).request : plainRequest;
  const body = json === undefined ? undefined : JSON.stringify(json);
  const described = body !== undefined && {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  };
  const options = {
    ...connection,
    method,
    headers: { ...described, ...connection?.headers, ...headers },
    ...defined({ signal }),
  };
  return await new Promise((resolve, reject) => {
    const outgoing = to instanceof URL ? send(to, options) : send({ ...options, ...to });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** The body of an answer. Throws `HttpError` `answer-too-large`, or Node's error. */
export async function readHttpBody(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop destroys the answer and its connection.
    if (bytes > maxBytes)
      throw new HttpError('answer-too-large', `the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
