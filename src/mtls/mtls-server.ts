import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net';
import { createServer, type SecureVersion, type Server, type TLSSocket } from 'node:tls';
import { addressOf, listenOn, type Log } from '../platform/index.ts';
import { CodedError } from '../spiffe/index.ts';
import { MtlsError } from './errors.ts';
import {
  admitPeer,
  type Authorize,
  type PeerVerifier,
  provePeer,
  sentChain,
  type VerifiedPeer,
} from './peer.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import { refusalFields, type RefusedPeer, refusedPeer } from './refused-peer.ts';
import { type SvidSource, tlsIdentity } from './svid.ts';
import { SERVER_CHOOSES_SUITE, secureContextOptions } from './tls-profile.ts';

/** A connection that was not passed on, and why. */
export interface RefusedConnection extends RefusedPeer {
  readonly remote: string | undefined;
}

export interface MtlsServerOptions {
  readonly svid: SvidSource;
  readonly verifier: PeerVerifier;
  readonly authorize: Authorize;
  readonly log: Log;
  /** Default 5 s. */
  readonly handshakeTimeoutMs?: number;
  /** Connections at once, handshakes included; further ones are closed. Default 10,000. */
  readonly maxConnections?: number;
  /** Handshakes at once; for a further one the oldest is closed. Default 512. */
  readonly maxPendingHandshakes?: number;
  /** Default TLS 1.2, which some proxies' clients still need. */
  readonly minVersion?: SecureVersion;
  /**
   * Receives a proved and admitted peer; no byte was read. The socket now belongs to the caller.
   */
  readonly onConnection: (socket: TLSSocket, peer: VerifiedPeer) => void;
  /** Receives a refused connection, for the caller's own record; left out: it is logged here. */
  readonly onRefused?: (refused: RefusedConnection) => void;
}

/**
 * A TLS server that passes on a connection only after the client's SVID was proved and admitted,
 * synchronously at the end of the handshake. It lists no CA and resumes no session. Its own SVID
 * can be replaced without touching open connections.
 */
export class MtlsServer {
  readonly #options: MtlsServerOptions;
  /** Listens, and decides whether a handshake begins at all. */
  readonly #tcp: TcpServer;
  /** Never listens; performs the handshakes. */
  readonly #tls: Server;
  readonly #handshakes: PendingHandshakes;
  readonly #open = new Set<TLSSocket>();
  readonly #unwatch: () => void;
  #ready = false;

  constructor(options: MtlsServerOptions) {
    this.#options = options;
    this.#tcp = createTcpServer({ noDelay: true }, (socket) => this.#begin(socket));
    this.#tcp.maxConnections = options.maxConnections ?? 10_000;
    this.#handshakes = new PendingHandshakes(options.maxPendingHandshakes ?? 512);
    this.#tls = createServer({
      ...secureContextOptions(options.minVersion),
      ...SERVER_CHOOSES_SUITE,
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: options.handshakeTimeoutMs ?? 5000,
    });
    this.#tls.prependListener('secureConnection', (socket) => this.#admit(socket));
    this.#tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const late = error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT';
      const code = error instanceof MtlsError ? error.code : late ? 'handshake-timeout' : 'handshake-failed';
      // A closed socket no longer knows its remote address.
      const remote = socket.remoteAddress ?? this.#handshakes.remoteOf(error);
      this.#refused({ remote, code, message: error.message });
      socket.destroy();
    });
    this.#showSvid();
    this.#unwatch = options.svid.onChange(() => this.#showSvid());
  }

  /** Whether there is an SVID to present. Without one every new connection is closed. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Throws `MtlsError` `port-in-use`, `listen-failed`. */
  async listen(port: number, host: string): Promise<void> {
    await listenOn({
      server: this.#tcp,
      address: { host, port },
      purpose: 'mTLS',
      refusal: (code, message, options) => new MtlsError(code, message, options),
      log: this.#options.log,
    });
  }

  address(): AddressInfo {
    return addressOf(this.#tcp, 'the server');
  }

  /** Accepts no more connections. Ends handshakes at once, and open connections after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#unwatch();
    if (!this.#tcp.listening) return;
    const timer = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, graceMs);
    const closed = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    this.#handshakes.closeAll();
    await closed;
    clearTimeout(timer);
  }

  #showSvid(): void {
    const svid = this.#options.svid.current();
    if (!svid) {
      // Expired or revoked: it is not presented any more (WLAPI-24).
      this.#ready = false;
      return;
    }
    try {
      this.#tls.setSecureContext({
        ...secureContextOptions(this.#options.minVersion),
        ...SERVER_CHOOSES_SUITE,
        ...tlsIdentity(svid),
      });
      this.#ready = true;
    } catch (error) {
      this.#options.log.error('own SVID not usable, the last one stays', {
        id: svid.id,
        error,
      });
    }
  }

  /** Without an SVID no handshake begins. */
  #begin(socket: Socket): void {
    const { remoteAddress: remote } = socket;
    if (!this.#ready) {
      socket.destroy();
      this.#refused({ remote, code: 'no-svid', message: 'there is no SVID to present yet' });
      return;
    }
    this.#handshakes.begin(socket);
    this.#tls.emit('connection', socket);
  }

  #admit(socket: TLSSocket): void {
    const { remoteAddress: remote } = socket;
    this.#handshakes.end(socket);
    socket.on('error', () => {});
    const sent = sentChain(socket);
    let peer: VerifiedPeer | undefined;
    try {
      peer = provePeer(socket, sent, this.#options.verifier, 'client');
      admitPeer(this.#options.authorize, peer);
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
      this.#options.onConnection(socket, peer);
    } catch (error) {
      const refused = refusedPeer(error, sent, peer);
      socket.destroy();
      if (!(error instanceof CodedError)) {
        // A fault of ours closes this connection and never the server, because no client must be
        // able to stop it.
        this.#options.log.error('judging a connection failed', { remote, error });
      }
      this.#refused({ remote, ...refused });
    }
  }

  #refused(refused: RefusedConnection): void {
    if (this.#options.onRefused) {
      this.#options.onRefused(refused);
      return;
    }
    this.#options.log.info('connection refused', { remote: refused.remote, ...refusalFields(refused) });
  }
}
