import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { OutgoingProxy } from '../src/federation/index.ts';

/** A CONNECT request as it reached the proxy. */
export interface SeenConnect {
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A small HTTP CONNECT proxy on loopback that can be told to misbehave. `await using proxy = await FakeProxy.start()`.
 */
export class FakeProxy {
  readonly seen: SeenConnect[] = [];
  /** Answers a request in another way than by a tunnel; undefined: a tunnel. */
  answer: ((socket: Socket) => void) | undefined;
  /** What is sent before the bytes of the endpoint. */
  established = 'HTTP/1.1 200 Connection established\r\n\r\n';
  /** The bytes that clients sent through tunnels. */
  readonly passed: Buffer[] = [];
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#receive(socket));
  }

  static async start(): Promise<FakeProxy> {
    const proxy = new FakeProxy();
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The proxy as the config names it. */
  route(rest: Partial<OutgoingProxy> = {}): OutgoingProxy {
    return { url: new URL(`http://127.0.0.1:${this.port}`), exempt: [], ...rest };
  }

  /** Open connections of clients and to endpoints. */
  get openConnections(): number {
    return this.#open.size;
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    socket.on('error', () => socket.destroy());
  }

  #receive(socket: Socket): void {
    this.#keep(socket);
    let head = '';
    const read = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      socket.off('data', read);
      this.#connect(socket, head.slice(0, end).split('\r\n'));
    };
    socket.on('data', read);
  }

  #connect(socket: Socket, [first = '', ...fields]: readonly string[]): void {
    const [method, target = ''] = first.split(' ');
    const headers = Object.fromEntries(
      fields.map((field) => {
        const colon = field.indexOf(':');
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
      }),
    );
    this.seen.push({ target, headers });
    if (this.answer) {
      this.answer(socket);
      socket.resume();
      return;
    }
    if (method !== 'CONNECT') {
      socket.end('HTTP/1.1 405 Method Not Allowed\r\n\r\n');
      return;
    }
    const { hostname, port } = new URL(`http://${target}`);
    // Every name is this machine; a name that no DNS has shows that the proxy resolves it.
    const upstream = connect({ host: hostname === '[::1]' ? '::1' : '127.0.0.1', port: Number(port || 80) });
    this.#keep(upstream);
    upstream.once('connect', () => {
      socket.write(this.established);
      socket.on('data', (chunk: Buffer) => this.passed.push(chunk));
      socket.pipe(upstream).pipe(socket);
    });
    socket.once('close', () => upstream.destroy());
    upstream.once('close', () => socket.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
