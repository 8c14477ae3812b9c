import { once } from 'node:events';
import { createServer as createHttps, Agent, request, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A request or an answer that passes in the clear, to be looked at and changed. */
export interface Passing {
  readonly path: string;
  readonly status: number;
  readonly body: string;
}

/**
 * Somebody who stands between a client and an endpoint on loopback, at a port of its own: passes TCP on, or ends TLS with a certificate
 * of its own and makes another connection to the endpoint. `await using man = await Interceptor.start(identity)`.
 */
export class Interceptor {
  /** Where connections are passed on to. */
  target = 0;
  /** Whether TLS is passed on untouched, or ended here. */
  mode: 'pass' | 'terminate' = 'pass';
  /** What becomes of a request, and of an answer; `cut` ends both connections in its place. */
  onRequest: (passing: Passing) => Passing | 'cut' = (passing) => passing;
  onAnswer: (passing: Passing) => Passing | 'cut' = (passing) => passing;
  /** Requests that were read in the clear. */
  readonly seen: Passing[] = [];
  readonly #tcp: Server;
  readonly #https: HttpsServer;
  readonly #open = new Set<Socket>();
  readonly #agents = new WeakMap<Socket, Agent>();

  private constructor(identity: { readonly certificatePem: string; readonly keyPem: string }) {
    this.#https = createHttps({ cert: identity.certificatePem, key: identity.keyPem }, (incoming, answer) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', () => {});
      incoming.on('end', () => {
        const asked = { path: incoming.url ?? '', status: 0, body: Buffer.concat(chunks).toString('utf8') };
        this.seen.push(asked);
        const ruling = this.onRequest(asked);
        if (ruling === 'cut') {
          incoming.socket.destroy();
          return;
        }
        this.#forward(incoming.socket, incoming.method ?? 'GET', ruling, (passing) => {
          const given = this.onAnswer(passing);
          if (given === 'cut') {
            incoming.socket.destroy();
            return;
          }
          answer.writeHead(given.status, { 'content-length': Buffer.byteLength(given.body) });
          answer.end(given.body);
        });
      });
    });
    this.#https.on('tlsClientError', () => {});
    this.#tcp = createServer((socket) => {
      this.#keep(socket);
      if (this.mode === 'terminate') {
        this.#https.emit('connection', socket);
        return;
      }
      const onward = connect(this.target, '127.0.0.1');
      this.#keep(onward);
      socket.pipe(onward).pipe(socket);
    });
  }

  static async start(identity: {
    readonly certificatePem: string;
    readonly keyPem: string;
  }): Promise<Interceptor> {
    const man = new Interceptor(identity);
    man.#tcp.listen(0, '127.0.0.1');
    await once(man.#tcp, 'listening');
    return man;
  }

  get url(): string {
    const { port } = this.#tcp.address() as AddressInfo;
    return `https://localhost:${port}/`;
  }

  /** Says something to the endpoint by itself, on a connection that it keeps for `owner`. */
  say(owner: Socket, path: string, body: string): Promise<Passing> {
    return new Promise((resolve) => this.#forward(owner, 'POST', { path, status: 0, body }, resolve));
  }

  /** Cuts every connection that is open now. */
  cutAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  #forward(
    owner: Socket,
    method: string,
    { path, body }: Passing,
    answered: (passing: Passing) => void,
  ): void {
    const agent = this.#agents.get(owner) ?? new Agent({ keepAlive: true, maxSockets: 1 });
    this.#agents.set(owner, agent);
    owner.once('close', () => agent.destroy());
    const onward = request(
      {
        host: '127.0.0.1',
        port: this.target,
        method,
        path,
        agent,
        rejectUnauthorized: false,
        headers: method === 'GET' ? {} : { 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          answered({ path, status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        );
      },
    );
    onward.on('error', () => owner.destroy());
    onward.end(body);
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#open.delete(socket));
  }
}
