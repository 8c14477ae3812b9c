import type { AddressInfo } from 'node:net';
import { createServer, type SecureVersion, type Server, type TLSSocket } from 'node:tls';
import { describeError, type Log } from '../platform/index.ts';
import { CodedError } from '../spiffe/index.ts';
import { MtlsError } from './errors.ts';
import { admitPeer, type Authorize, type PeerVerifier, type VerifiedPeer } from './peer.ts';
import { type SvidSource, tlsIdentity } from './svid.ts';
import { secureContextOptions } from './tls-profile.ts';

export interface MtlsServerOptions {
  readonly svid: SvidSource;
  readonly verifier: PeerVerifier;
  readonly authorize: Authorize;
  readonly log: Log;
  /** Default 5 s. */
  readonly handshakeTimeoutMs?: number;
  /** Connections at once, handshakes included; further ones are closed. Default 10,000. */
  readonly maxConnections?: number;
  readonly minVersion?: SecureVersion;
  /** A proved and admitted peer; no byte was read. The socket is the caller's from here on. */
  readonly onConnection: (socket: TLSSocket, peer: VerifiedPeer) => void;
  /** A connection that was refused, for the caller's own record. */
  readonly onRefused?: (remote: string | undefined, code: string, message: string) => void;
}

/**
 * A TLS server that hands on a connection only after the client's SVID was proved and admitted, synchronously at the end
 * of the handshake. No CA is listed, nothing is resumed, and its own SVID is swapped without touching open connections.
 */
export class MtlsServer {
  readonly #options: MtlsServerOptions;
  readonly #server: Server;
  readonly #open = new Set<TLSSocket>();
  readonly #unwatch: () => void;
  #shown = false;

  constructor(options: MtlsServerOptions) {
    this.#options = options;
    this.#server = createServer({
      ...secureContextOptions(options.minVersion),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: options.handshakeTimeoutMs ?? 5000,
      noDelay: true,
    });
    this.#server.maxConnections = options.maxConnections ?? 10_000;
    this.#server.prependListener('secureConnection', (socket) => this.#admit(socket));
    this.#server.on('tlsClientError', (error, socket) => {
      this.#refused(socket.remoteAddress, 'handshake-failed', error.message);
      socket.destroy();
    });
    this.#showSvid();
    this.#unwatch = options.svid.onChange(() => this.#showSvid());
  }

  /** Whether there is an SVID to show; before that every handshake fails. */
  get ready(): boolean {
    return this.#shown;
  }

  /** Throws `MtlsError` `port-in-use`, `listen-failed`. */
  async listen(port: number, host: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => {
        const inUse = cause.code === 'EADDRINUSE';
        const why = inUse ? 'another process listens there' : cause.message;
        reject(
          new MtlsError(
            inUse ? 'port-in-use' : 'listen-failed',
            `listening on ${host}:${port} for mTLS failed: ${why}`,
            { cause },
          ),
        );
      });
      this.#server.listen(port, host, resolve);
    });
  }

  address(): AddressInfo {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('the server does not listen');
    return address;
  }

  /** Takes no more connections, and ends those still open after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#unwatch();
    if (!this.#server.listening) return;
    const timer = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, graceMs);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearTimeout(timer);
  }

  #showSvid(): void {
    const svid = this.#options.svid.current();
    if (!svid) return;
    try {
      this.#server.setSecureContext({
        ...secureContextOptions(this.#options.minVersion),
        ...tlsIdentity(svid),
      });
      this.#shown = true;
    } catch (error) {
      this.#options.log.error('own SVID not usable, the last one stays', {
        id: svid.id,
        error: describeError(error),
      });
    }
  }

  #admit(socket: TLSSocket): void {
    socket.on('error', () => {});
    try {
      const peer = admitPeer(socket, this.#options.verifier, this.#options.authorize, 'client');
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
      this.#options.onConnection(socket, peer);
    } catch (error) {
      const { remoteAddress } = socket;
      socket.destroy();
      if (!(error instanceof CodedError)) throw error;
      this.#refused(remoteAddress, error.code, error.message);
    }
  }

  #refused(remote: string | undefined, code: string, message: string): void {
    if (this.#options.onRefused) this.#options.onRefused(remote, code, message);
    else this.#options.log.info('connection refused', { remote, code, reason: message });
  }
}
