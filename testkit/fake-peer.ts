import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import { gzipSync } from 'node:zlib';

/** What the peer shows in the handshake: its chain, leaf first, and the leaf's key, both PEM. */
export interface FakePeerIdentity {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** A request as it reached the peer. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The name in the ClientHello, if there was one. */
  readonly serverName: string | undefined;
  /** Whether the client showed a certificate. */
  readonly clientCertificate: boolean;
  /** Whether the client resumed an earlier TLS session. */
  readonly resumed: boolean;
}

/** Answers one request by writing to the connection, well or badly; `reset` cuts the TCP connection under it. */
export type Answer = (socket: TLSSocket, request: SeenRequest, reset: () => void) => void;

/** What happens to a TCP connection: TLS, silence, a reset, bytes that are no TLS, or whatever a test makes of it. */
export type Reception = 'tls' | 'silence' | 'reset' | 'plain-http' | ((socket: Socket) => void);

/** What happens when the handshake is done and before anything was asked. */
export type Greeting = (socket: TLSSocket, reset: () => void) => void;

/**
 * A bundle endpoint on loopback over real TLS that can be told to misbehave in every way the standard forbids, and to vary
 * what it leaves free. `await using peer = await FakePeer.start(identity)`.
 */
export class FakePeer {
  /** What the next connections meet. */
  reception: Reception = 'tls';
  greeting: Greeting = () => {};
  /** How the next requests are answered. */
  answer: Answer = answers.status(404);
  readonly requests: SeenRequest[] = [];
  /** TCP connections accepted so far. */
  connections = 0;
  readonly #tls: TlsServer;
  readonly #tcp: Server;
  readonly #open = new Set<Socket>();
  readonly #watchers = new Set<() => void>();

  /** Stays the same after `close`, so that a test can ask a place where nobody listens. */
  port = 0;

  private constructor(identity: FakePeerIdentity) {
    this.#tls = createTlsServer({
      cert: identity.certificatePem,
      key: identity.keyPem,
      // Asked for so that a test can see that none is given (FED-40).
      requestCert: true,
      rejectUnauthorized: false,
    });
    this.#tls.on('secureConnection', (socket) => this.#converse(socket));
    this.#tls.on('tlsClientError', () => {});
    this.#tcp = createServer((socket) => this.#receive(socket));
  }

  static async start(identity: FakePeerIdentity): Promise<FakePeer> {
    const peer = new FakePeer(identity);
    peer.#tcp.listen(0, '127.0.0.1');
    await once(peer.#tcp, 'listening');
    peer.port = (peer.#tcp.address() as AddressInfo).port;
    return peer;
  }

  url(path = '/', host = '127.0.0.1'): string {
    return `https://${host}:${this.port}${path}`;
  }

  /** Shows another identity from the next connection on, and speaks another TLS where told. */
  become(identity: FakePeerIdentity, tls: SecureContextOptions = {}): void {
    this.#tls.setSecureContext({ cert: identity.certificatePem, key: identity.keyPem, ...tls });
  }

  /** Resolves once `condition` holds; looked at whenever something happens here. */
  async until(condition: (peer: FakePeer) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#watchers.add(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    if (!this.#tcp.listening) return;
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #happened(): void {
    for (const resolve of this.#watchers) resolve();
    this.#watchers.clear();
  }

  #receive(socket: Socket): void {
    this.connections += 1;
    this.#open.add(socket);
    socket.on('close', () => {
      this.#open.delete(socket);
      this.#happened();
    });
    socket.on('error', () => {});
    if (typeof this.reception === 'function') this.reception(socket);
    else if (this.reception === 'tls') this.#tls.emit('connection', socket);
    // Read, or the end of the connection would not be seen either.
    else socket.resume();
    if (this.reception === 'reset') socket.resetAndDestroy();
    if (this.reception === 'plain-http') socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    this.#happened();
  }

  #reset({ remotePort }: TLSSocket): void {
    const raw = [...this.#open].find((each) => each.remotePort === remotePort);
    raw?.resetAndDestroy();
  }

  /** Cuts every open connection, as the end of a process does. */
  dropAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** Open TCP connections. */
  get openConnections(): number {
    return this.#open.size;
  }

  #converse(socket: TLSSocket): void {
    socket.on('error', () => {});
    this.greeting(socket, () => this.#reset(socket));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      const [requestLine = '', ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
      text = '';
      const [method = '', path = ''] = requestLine.split(' ');
      const headers = Object.fromEntries(
        lines.map((line) => [
          line.slice(0, line.indexOf(':')).toLowerCase(),
          line.slice(line.indexOf(':') + 1).trim(),
        ]),
      );
      const request: SeenRequest = {
        method,
        path,
        headers,
        serverName: typeof socket.servername === 'string' ? socket.servername : undefined,
        clientCertificate: socket.getPeerX509Certificate() !== undefined,
        resumed: socket.isSessionReused(),
      };
      this.requests.push(request);
      this.answer(socket, request, () => this.#reset(socket));
      this.#happened();
    });
  }
}

type Headers = Readonly<Record<string, string>>;

/** A response's head, in the form that every answer here writes it. */
export function head(status: number, headers: Headers): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n`;
}

/** Keeps writing what `next` gives until the connection is gone. */
function pour(socket: TLSSocket, everyMs: number, next: () => string | Uint8Array): void {
  const timer = setInterval(() => socket.write(next()), everyMs);
  socket.on('close', () => clearInterval(timer));
}

const json = { 'content-type': 'application/json' };

/** The ways to answer, each one named for what the client meets. */
export const answers = {
  /** Status 200 and the whole document; 304 when the client names its tag. */
  document:
    (body: string | Uint8Array, headers: Headers = {}): Answer =>
    (socket, request) => {
      const { etag } = headers;
      if (etag !== undefined && request.headers['if-none-match'] === etag) {
        socket.end(head(304, headers));
        return;
      }
      socket.write(head(200, { ...json, 'content-length': String(Buffer.byteLength(body)), ...headers }));
      socket.end(body);
    },
  /** Any status, with any body. */
  status:
    (status: number, body: string | Uint8Array = '', headers: Headers = {}): Answer =>
    (socket) => {
      const length =
        status === 204 || status === 304 ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      socket.write(head(status, { ...json, ...length, ...headers }));
      socket.end(status === 204 || status === 304 ? '' : body);
    },
  redirect: (status: number, location: string): Answer => answers.status(status, '', { location }),
  /** By path, so that one peer can redirect to itself. */
  byPath:
    (routes: Readonly<Record<string, Answer>>): Answer =>
    (socket, request, reset) =>
      (routes[request.path] ?? answers.status(404))(socket, request, reset),
  /** The request is read and nothing comes back. */
  silence: (): Answer => () => {},
  /** The connection is kept busy with interim responses and the response never comes. */
  interimForEver: (): Answer => (socket) => pour(socket, 2, () => 'HTTP/1.1 103 Early Hints\r\n\r\n'),
  /** Headers that never end. */
  headersForEver: (): Answer => (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    let count = 0;
    pour(socket, 1, () => `x-${(count += 1)}: ${'a'.repeat(4096)}\r\n`);
  },
  /** Headers, then silence. */
  silentBody:
    (length: number): Answer =>
    (socket) =>
      socket.write(head(200, { ...json, 'content-length': String(length) })),
  /** A body that comes byte by byte. */
  drip:
    (body: string): Answer =>
    (socket) => {
      socket.write(head(200, { ...json, 'content-length': String(Buffer.byteLength(body)) }));
      let at = 0;
      pour(socket, 2, () => body.slice(at, (at += 1)));
    },
  /** A body without an end, in chunks, never announcing a length. */
  endless: (): Answer => (socket) => {
    socket.write(head(200, { ...json, 'transfer-encoding': 'chunked' }));
    pour(socket, 0, () => `4000\r\n${' '.repeat(0x4000)}\r\n`);
  },
  /** A length that is announced and never sent. */
  announced:
    (length: number): Answer =>
    (socket) =>
      socket.write(head(200, { ...json, 'content-length': String(length) })),
  /** Half the document and the end of the connection. */
  truncated:
    (body: string): Answer =>
    (socket) => {
      socket.write(head(200, { ...json, 'content-length': String(Buffer.byteLength(body)) }));
      socket.end(body.slice(0, body.length / 2));
    },
  /** Half the document and a reset. */
  reset:
    (body: string): Answer =>
    (socket, _request, reset) => {
      socket.write(head(200, { ...json, 'content-length': String(Buffer.byteLength(body)) }));
      socket.write(body.slice(0, body.length / 2), reset);
    },
  /** Compressed although nobody asked. */
  gzip:
    (body: string): Answer =>
    (socket) => {
      const packed = gzipSync(body);
      socket.write(
        head(200, { ...json, 'content-encoding': 'gzip', 'content-length': String(packed.length) }),
      );
      socket.end(packed);
    },
  /** No HTTP at all. */
  garbage: (): Answer => (socket) => void socket.end('\u0000\u0001 this is not HTTP\r\n\r\n'),
} as const satisfies Record<string, (...parameters: never[]) => Answer>;
