import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import {
  type Authorize,
  connectMtls,
  type ConnectMtlsOptions,
  createSpiffeVerifier,
  MtlsServer,
  type MtlsServerOptions,
  type RefusedConnection,
  secureContextOptions,
  svidFromPem,
  type VerifiedPeer,
} from '../../src/mtls/index.ts';
import { silentLog } from '../../src/platform/index.ts';
import { BundleSet, type TrustBundle } from '../../src/spiffe/index.ts';
import { TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { ChangingSvid } from '../../testkit/changing-svid.ts';
import { TestClock } from '../../testkit/test-clock.ts';

export type TestLeaf = Awaited<ReturnType<TestCa['issueLeaf']>>;

const admitAll: Authorize = () => {};

/** An SVID source that a test changes, made from the PEM of a leaf. */
export class HeldSvid extends ChangingSvid {
  constructor(leaf?: TestLeaf) {
    super(leaf && svidFromPem(leaf.certPem, leaf.keyPem));
  }

  /** Sets another SVID, or none. */
  swap(leaf: TestLeaf | undefined): void {
    this.change(leaf && svidFromPem(leaf.certPem, leaf.keyPem));
  }
}

/**
 * A verifier over a set of bundles that a test changes. Its clock stands at the instant of the test
 * CA.
 */
export function trusting(...bundles: TrustBundle[]) {
  const set = new BundleSet(bundles);
  const clock = new TestClock(TEST_INSTANT);
  return { bundles: set, clock, verifier: createSpiffeVerifier({ bundles: set, clock }) };
}

/** Closes what a test opened, newest first: `await using world = new Opened()`. */
export class Opened {
  readonly #closers: (() => unknown)[] = [];

  [Symbol.asyncDispose] = async (): Promise<void> => {
    for (const close of this.#closers.splice(0).reverse()) await close();
  };

  add(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** A server of ours, with the connections it passed on and those it refused. */
  async server(options: Partial<MtlsServerOptions> & Pick<MtlsServerOptions, 'svid' | 'verifier'>) {
    const accepted: { socket: TLSSocket; peer: VerifiedPeer }[] = [];
    const refused: RefusedConnection[] = [];
    const server = new MtlsServer({
      authorize: admitAll,
      log: silentLog,
      onConnection: (socket, peer) => {
        accepted.push({ socket, peer });
        socket.write('hello');
      },
      onRefused: (refusal) => refused.push(refusal),
      ...options,
    });
    await server.listen(0, '127.0.0.1');
    this.add(() => server.close(0));
    return { server, accepted, refused, port: server.address().port };
  }

  /** Node's own TLS server, for a peer that behaves as the test wants. */
  async rawServer(options: TlsOptions, onConnection: (socket: TLSSocket) => void): Promise<number> {
    const server = createServer({ ...secureContextOptions(), ...options });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    });
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.add(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  /** A connection of ours. */
  async dial(options: Partial<ConnectMtlsOptions> & Pick<ConnectMtlsOptions, 'port' | 'verifier'>) {
    const connection = await connectMtls({
      host: '127.0.0.1',
      authorize: admitAll,
      signal: AbortSignal.timeout(10_000),
      timeoutMs: 10_000,
      ...options,
    });
    this.add(() => connection.socket.destroy());
    return connection;
  }

  /**
   * Node's own TLS client: everything it received until the connection ended, and the sessions it
   * was given.
   */
  async rawClient(port: number, options: ConnectionOptions, say?: string) {
    const socket = connect({
      ...secureContextOptions(),
      rejectUnauthorized: false,
      host: '127.0.0.1',
      port,
      ...options,
    });
    this.add(() => socket.destroy());
    const sessions: Buffer[] = [];
    let received = '';
    let reused = false;
    socket.on('session', (session) => sessions.push(session));
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received += chunk.toString();
      if (received === 'hello') socket.end();
    });
    socket.once('secureConnect', () => {
      reused = socket.isSessionReused();
      if (say) socket.write(say);
    });
    await new Promise((resolve) => socket.once('close', resolve));
    return { received, sessions, reused, protocol: socket.getProtocol() };
  }
}

/** All bytes of a connection until it ends. */
export async function readAll(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
  return text;
}
