import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { defined } from '../objects/index.ts';
import { preferredWaitSeconds } from './prefer.ts';

/** A request on a path that does not serve the bundle, before any of its body is read. */
export interface ExtensionRequest {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly path: string;
  readonly remoteAddress: string;
  /** `Federate-Holding`: the signed statement of the client. Nothing in it is proved here. */
  readonly holding?: string;
  /** `If-None-Match`, as it was sent. */
  readonly ifNoneMatch?: string;
  /** `Prefer: wait`: how many seconds the client is willing to wait for a change. */
  readonly waitSeconds?: number;
  /**
   * The same object for every request of one connection, as a key for data about the connection.
   */
  readonly connection: object;
  /** For instance `TLSv1.3`. */
  readonly tlsVersion: string;
  /** Exports keying material of this connection, for statements about it (RFC 8446 §7.5). */
  exportKey(length: number, label: string): Uint8Array;
}

/** The answer of an extension; the body is JSON text. */
export interface ExtensionAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * How an extension handles a request: a body up to a bound, then an answer, which may take time.
 */
export interface ExtensionPlan {
  /** A request with a larger body is answered like an unknown path. */
  readonly maxBodyBytes: number;
  /**
   * Undefined: answered like an unknown path. `gone` aborts when the client closes the connection or
   * has its answer.
   */
  answer(body: Uint8Array, gone: AbortSignal): Promise<ExtensionAnswer | undefined>;
}

/**
 * An additional service of the endpoint. It is asked synchronously about every path that does not
 * serve the bundle. A request that it does not accept (undefined) is answered like an unknown path.
 */
export interface EndpointExtension {
  accept(request: ExtensionRequest): ExtensionPlan | undefined;
}

/** The request as the extension sees it; undefined without TLS. */
export function extensionRequestOf(request: IncomingMessage): ExtensionRequest | undefined {
  const { method, url, socket, headers } = request;
  if (!(socket instanceof TLSSocket)) return undefined;
  const { 'federate-holding': holding, prefer } = headers;
  return {
    method: method ?? '',
    path: url ?? '',
    remoteAddress: socket.remoteAddress ?? 'unknown',
    ...(typeof holding === 'string' ? { holding } : {}),
    ...defined({
      ifNoneMatch: headers['if-none-match'],
      waitSeconds: preferredWaitSeconds(typeof prefer === 'string' ? prefer : undefined),
    }),
    connection: socket,
    tlsVersion: socket.getProtocol() ?? '',
    exportKey: (length, label) => socket.exportKeyingMaterial(length, label, Buffer.alloc(0)),
  };
}

/**
 * Reads the body within its bound and sends the answer, or has `unknownPath` answer. Never rejects;
 * `failed` receives what `answer` threw.
 */
export async function serveExtension(
  plan: ExtensionPlan,
  request: IncomingMessage,
  response: ServerResponse,
  unknownPath: () => void,
  failed: (error: unknown) => void,
): Promise<void> {
  const send = ({ status, body, headers = {} }: ExtensionAnswer) => {
    const aboutBody = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    response.writeHead(status, {
      ...(status === 304 ? {} : aboutBody),
      'cache-control': 'no-store',
      ...headers,
    });
    response.end(body);
  };
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const body = await readBody(request, plan.maxBodyBytes);
    if (body) {
      const answer = await plan.answer(body, gone.signal);
      if (answer) send(answer);
      else unknownPath();
      return;
    }
    // Not 413, because that would reveal that something is served here. Unread bytes would be taken
    // for the next request.
    response.shouldKeepAlive = false;
    unknownPath();
  } catch (error) {
    // The client is gone.
    if (response.destroyed || !request.complete) return;
    failed(error);
    if (!response.headersSent) send({ status: 500, body: '{"code":"internal"}' });
    else response.destroy();
  }
}

/** The whole body, or undefined where it is larger. Rejects when the connection ends first. */
function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let total = 0;
    // Does not iterate, because leaving the loop early ends the connection before the answer is
    // out.
    request.on('data', (chunk: Buffer) => {
      total += chunk.length;
      chunks.push(chunk);
      if (total <= maxBytes) return;
      request.removeAllListeners('data');
      request.pause();
      resolve(undefined);
    });
    request.once('end', () => resolve(Buffer.concat(chunks, total)));
    request.once('error', reject);
    request.once('close', () => reject(new Error('the connection ended before the body did')));
  });
}
