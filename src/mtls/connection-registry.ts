import type { TLSSocket } from 'node:tls';
import type { Clock, Log } from '../platform/index.ts';
import { CodedError } from '../spiffe/index.ts';
import type { PeerRole, PeerVerifier, VerifiedPeer } from './peer.ts';

/** An open connection and the trust it rests on. */
export interface OpenConnection {
  readonly socket: TLSSocket;
  readonly peer: VerifiedPeer;
  readonly peerRole: PeerRole;
  /** Ends it within the bound that the owner states, for instance after the request in flight; left out: at once. */
  readonly end?: () => void;
}

/** How many connections are judged again in one go, so that a change of trust does not stop the process. */
const SLICE = 64;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * The open connections, so that removed means removed (FED-61): when trust changes each is judged again and closed when
 * it would no longer be accepted; when an SVID on its path ends it is closed then.
 */
export class ConnectionRegistry {
  readonly #open = new Map<TLSSocket, OpenConnection>();
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
    return [...this.#open.values()];
  }

  /** Watches over a connection until it closes by itself. */
  add(connection: OpenConnection): void {
    const { socket, peer } = connection;
    this.#open.set(socket, connection);
    const left = peer.notAfter.getTime() - this.#clock.now().getTime();
    const timer = setTimeout(
      () => this.#close(connection, 'svid-expired', `the SVID of ${peer.id} has ended`),
      Math.min(Math.max(left, 0), LONGEST_TIMER_MS),
    );
    timer.unref();
    socket.once('close', () => {
      clearTimeout(timer);
      this.#open.delete(socket);
    });
  }

  /** Judges every open connection again, some at a time; how many were closed. */
  async reverify(verifier: PeerVerifier): Promise<number> {
    let closed = 0;
    const all = this.list();
    for (let start = 0; start < all.length; start += SLICE) {
      for (const connection of all.slice(start, start + SLICE)) {
        if (connection.socket.destroyed) continue;
        try {
          verifier.verify(connection.peer.chain, connection.peerRole);
        } catch (error) {
          closed += 1;
          this.#close(
            connection,
            error instanceof CodedError ? error.code : 'internal',
            error instanceof Error ? error.message : String(error),
          );
        }
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return closed;
  }

  /** Closes everything, at the end. */
  closeAll(): void {
    for (const { socket } of this.list()) socket.destroy();
  }

  #close({ socket, peer, peerRole, end }: OpenConnection, code: string, message: string): void {
    this.#log.info('connection closed', {
      code,
      reason: message,
      peer: peer.id,
      peer_role: peerRole,
      root: peer.anchorFingerprint,
    });
    if (end) end();
    else socket.destroy();
  }
}
