import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest, type RequestOptions } from 'node:https';
import type { Clock } from '../../platform/index.ts';
import { withDeadline } from './deadline.ts';
import { MeshAdapterError, type MeshAdapterErrorCode } from './errors.ts';

/** Trust and credentials of a connection, the headers by name. */
export type ConnectionOptions = Omit<RequestOptions, 'headers'> & {
  readonly headers?: Readonly<Record<string, string>>;
};

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Trust and client certificate of the connection, headers of the credentials. */
  readonly connection?: ConnectionOptions;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/**
 * Sends a request and returns the answer as soon as its headers arrive. Throws `MeshAdapterError`
 * `mesh-unreachable`.
 */
export function openHttp(request: HttpRequest): Promise<IncomingMessage> {
  const { method, url, headers, body, connection, signal } = request;
  const send = url.protocol === 'https:' ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const outgoing = send(url, {
      ...connection,
      method,
      headers: {
        ...connection?.headers,
        ...headers,
        ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      },
      signal,
    });
    outgoing.once('response', resolve);
    outgoing.on('error', (error) => reject(unreachable(request, error)));
    outgoing.end(body);
  });
}

/**
 * Sends one whole request and reads the whole answer, bounded in bytes and time. Throws
 * `MeshAdapterError`: `mesh-unreachable`, also for an incomplete answer; `mesh-answer-malformed`
 * for an answer beyond `maxBytes`.
 */
export function fetchHttp(
  request: HttpRequest,
  limits: { readonly maxBytes: number; readonly timeoutMs: number; readonly clock: Clock },
): Promise<HttpAnswer> {
  const { clock, maxBytes, timeoutMs } = limits;
  const what = describe(request);
  return withDeadline({ ms: timeoutMs, what, clock, signal: request.signal }, async (signal) => {
    const answer = await openHttp({ ...request, signal });
    const body = await readBody(answer, request, maxBytes);
    return { status: answer.statusCode ?? 0, headers: answer.headers, body };
  });
}

/** The body of an answer. Throws as `fetchHttp`. */
export async function readBody(
  answer: IncomingMessage,
  request: HttpRequest,
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        answer.destroy();
        throw new MeshAdapterError(
          'mesh-answer-malformed',
          `the answer to ${describe(request)} is longer than ${maxBytes} bytes`,
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof MeshAdapterError ? error : unreachable(request, error);
  }
  return Buffer.concat(chunks);
}

/** The body of an answer as JSON. Throws `MeshAdapterError` `mesh-answer-malformed`. */
export function parseJsonAnswer(body: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (cause) {
    throw new MeshAdapterError('mesh-answer-malformed', `the answer to ${what} is not JSON`, { cause });
  }
}

/** Turns a status of 400 or more into an error. `text` is the mesh's message, cut to one line. */
export function refusedByStatus(status: number, what: string, text: string): MeshAdapterError {
  const reason = text.split('\n', 1)[0]?.slice(0, 300) ?? '';
  return new MeshAdapterError(
    codeOf(status),
    `${what} was answered with ${status}${reason === '' ? '' : `: ${JSON.stringify(reason)}`}`,
  );
}

function codeOf(status: number): MeshAdapterErrorCode {
  switch (status) {
    case 401:
      return 'mesh-unauthenticated';
    case 403:
      return 'mesh-forbidden';
    case 404:
      return 'mesh-not-found';
    case 409:
      return 'mesh-conflict';
    case 410:
      return 'mesh-expired';
    case 429:
      return 'mesh-unavailable';
    default:
      return status >= 500 ? 'mesh-unavailable' : 'mesh-refused';
  }
}

function describe({ method, url }: HttpRequest): string {
  return `${method} ${url.pathname} at ${url.host}`;
}

function unreachable(request: HttpRequest, cause: unknown): MeshAdapterError {
  return new MeshAdapterError('mesh-unreachable', `${describe(request)} got an incomplete answer`, { cause });
}
