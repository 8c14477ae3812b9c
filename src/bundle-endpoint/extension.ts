import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';

/** A request on a path that is none of the bundle's, before any of its body is read. */
export interface ExtensionRequest {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly path: string;
  readonly remoteAddress: string;
  /** `Federate-Holding`: who asks, signed; nothing of it is proved here. */
  readonly holding?: string;
  /** The same object for every request of one connection, to hang what is known about it on. */
  readonly connection: object;
  /** For instance `TLSv1.3`. */
  readonly tlsVersion: string;
  /**
   * Keying material of this connection, for whoever wants to say something about it (RFC 8446
   * §7.5).
   */
  exportKey(length: number, label: string): Uint8Array;
}

/** What an extension answers; the body is JSON text. */
export interface ExtensionAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * How an extension takes a request on: its body up to a bound, then an answer, which may take its
 * time.
 */
export interface ExtensionPlan {
  /** With a larger body the request is answered as any unknown path is. */
  readonly maxBodyBytes: number;
  /** Undefined: answered as any unknown path is. */
  answer(body: Uint8Array): Promise<ExtensionAnswer | undefined>;
}

/**
 * Something else that is served at the endpoint. Asked for every path that is none of the bundle's,
 * without waiting; what it does not take on (undefined) is answered as any unknown path is.
 */
export interface EndpointExtension {
  accept(request: ExtensionRequest): ExtensionPlan | undefined;
}

/** What the extension is told of a request; undefined for one that did not come over TLS. */
export function extensionRequestOf(request: IncomingMessage): ExtensionRequest | undefined {
  const { method, url, socket, headers } = request;
  if (!(socket instanceof TLSSocket)) return undefined;
  const holding = headers['federate-holding'];
  return {
    method: method ?? '',
    path: url ?? '',
    remoteAddress: socket.remoteAddress ?? 'unknown',
    ...(typeof holding === 'string' ? { holding } : {}),
    connection: socket,
    tlsVersion: socket.getProtocol() ?? '',
    exportKey: (length, label) => socket.exportKeyingMaterial(length, label, Buffer.alloc(0)),
  };
}

/**
 * Reads the body within its bound and sends the answer, or has `unknownPath` answer. Never rejects;
 * `failed` is told what `answer` threw.
 */
export async function serveExtension(
  plan: ExtensionPlan,
  request: IncomingMessage,
  response: ServerResponse,
  unknownPath: () => void,
  failed: (error: unknown) => void,
): Promise<void> {
  const send = ({ status, body, headers = {} }: ExtensionAnswer) => {
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      ...headers,
    });
    response.end(body);
  };
  try {
    const body = await readBody(request, plan.maxBodyBytes);
    if (body) {
      const answer = await plan.answer(body);
      if (answer) send(answer);
      else unknownPath();
      return;
    }
    // Not 413, by which anybody would learn that something is served here. What was not read would
    // be taken for the next request.
    response.shouldKeepAlive = false;
    unknownPath();
  } catch (error) {
    // Nobody is there any more to be told.
    if (response.destroyed || !request.complete) return;
    failed(error);
    if (!response.headersSent) send({ status: 500, body: '{"code":"internal"}' });
    else response.destroy();
  }
}

/**
 * The whole body, or undefined where it is larger. Rejects when the connection ends before it does.
 */
function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let total = 0;
    // Not by iterating over it: leaving that early ends the connection before the answer is out.
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
