import type { TLSSocket } from 'node:tls';
import { messageOf } from '../errors/index.ts';
import { type Clock, type Log, pause } from '../platform/index.ts';
import { CodedError, type TrustDomain } from '../spiffe/index.ts';
import type { PeerRole, PeerVerifier, VerifiedPeer } from './peer.ts';

/** An open connection and the trust behind it. */
export interface OpenConnection {
  readonly socket: TLSSocket;
  readonly peer: VerifiedPeer;
  readonly peerRole: PeerRole;
  /**
   * Ends the connection within the bound that the owner states, for instance after the request in
   * flight; left out: at once.
   */
  readonly end?: () => void;
}

interface Watched {
  connection: OpenConnection;
  /** Cancels the wait for the end of the SVID. */
  waiting: AbortController;
}

/**
 * How many connections are judged again in one turn, so that a change of trust does not block the
 * process.
 */
const SLICE = 64;

/**
 * The open connections. Because removed trust must also end connections (FED-61), each is judged
 * again when trust changes, and closed when it would no longer be accepted. A connection is also
 * closed when a certificate on its path ends.
 */
export class ConnectionRegistry {
  readonly #open = new Map<TLSSocket, Watched>();
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  get size(): number {
    return this.#open.size;
  }

  list(): OpenConnection[] {
    return [...this.#open.values()].map(({ connection }) => connection);
  }

  /** Watches a connection until it closes by itself. */
  add(connection: OpenConnection): void {
    const { socket } = connection;
    if (socket.destroyed) return;
    const watched = { connection, waiting: new AbortController() };
    this.#open.set(socket, watched);
    socket.once('close', () => {
      watched.waiting.abort();
      this.#open.delete(socket);
    });
    this.#closeAtEnd(watched);
  }

  /**
   * Judges every open connection again, some at a time. Returns how many were closed. A connection
   * that now relies on another path is kept with that path's authority and end.
   */
  async reverify(verifier: PeerVerifier): Promise<number> {
    let closed = 0;
    const all = [...this.#open.values()];
    for (let start = 0; start < all.length; start += SLICE) {
      for (const watched of all.slice(start, start + SLICE)) {
        if (!watched.connection.socket.destroyed && !this.#judge(watched, verifier)) closed += 1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return closed;
  }

  /** Closes every connection with a peer of one trust domain. Returns how many. */
  closeTrustDomain(trustDomain: TrustDomain): number {
    const concerned = this.list().filter(({ peer }) => peer.trustDomain === trustDomain);
    for (const connection of concerned) {
      this.#close(connection, 'trust-domain-removed', `trust domain ${trustDomain} is no longer trusted`);
    }
    return concerned.length;
  }

  /** Closes all connections at once, at the end. */
  closeAll(): void {
    for (const { socket } of this.list()) socket.destroy();
  }

  #judge(watched: Watched, verifier: PeerVerifier): boolean {
    const { connection } = watched;
    try {
      const peer = verifier.verify(connection.peer.chain, connection.peerRole);
      const sameEnd = peer.notAfter.getTime() === connection.peer.notAfter.getTime();
      watched.connection = { ...connection, peer };
      if (!sameEnd) {
        watched.waiting.abort();
        watched.waiting = new AbortController();
        this.#closeAtEnd(watched);
      }
      return true;
    } catch (error) {
      const code = error instanceof CodedError ? error.code : 'internal';
      this.#close(connection, code, messageOf(error));
      return false;
    }
  }

  #closeAtEnd(watched: Watched): void {
    const { peer } = watched.connection;
    const left = peer.notAfter.getTime() - this.#clock.now().getTime();
    void pause(this.#clock, Math.max(0, left), watched.waiting.signal).then((hasEnded) => {
      // Aborted: the connection closed, or relies on another path now.
      if (hasEnded) this.#close(watched.connection, 'svid-expired', `the SVID of ${peer.id} has ended`);
    });
  }

  #close({ socket, peer, peerRole, end }: OpenConnection, code: string, message: string): void {
    this.#log.info('connection closed', {
      code,
      reason: message,
      peer: peer.id,
      peer_role: peerRole,
      root: peer.anchorFingerprint,
      bundle: peer.bundleDigest,
    });
    if (end) end();
    else socket.destroy();
  }
}
