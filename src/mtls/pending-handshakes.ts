import type { Socket } from 'node:net';
import { MtlsError } from './errors.ts';

/** The key of an open connection, the same for the TCP socket and for the TLS socket over it. */
export function endsOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}

/** The handshakes under way at one server. Their number has a limit (design, invariant 7). */
export class PendingHandshakes {
  readonly #most: number;
  /** In the order in which they began. */
  readonly #open = new Map<string, Socket>();
  readonly #remotes = new WeakMap<Error, string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes up a connection that is about to begin its handshake; for one too many the oldest goes. */
  begin(socket: Socket): void {
    if (this.#open.size >= this.#most) this.#giveUpOldest();
    const connection = endsOf(socket);
    socket.on('error', () => {}); // the handshake over it reports the error
    this.#open.set(connection, socket);
    socket.once('close', () => this.#open.delete(connection));
  }

  /** The handshake over this connection has ended; `socket` may be the TLS socket over it. */
  end(socket: Socket): void {
    this.#open.delete(endsOf(socket));
  }

  /** The remote address behind the error of a handshake that was given up. */
  remoteOf(error: Error): string | undefined {
    return this.#remotes.get(error);
  }

  closeAll(): void {
    for (const socket of this.#open.values()) socket.destroy();
  }

  /**
   * Makes room for a new handshake by closing the oldest. Because an honest handshake takes a
   * moment, the oldest is the one held open. No address has a share of its own, because all may
   * come from one gateway.
   */
  #giveUpOldest(): void {
    const [oldest] = this.#open;
    if (!oldest) return;
    const [connection, socket] = oldest;
    this.#open.delete(connection);
    const error = new MtlsError(
      'too-many-handshakes',
      `${this.#open.size + 1} handshakes were under way, and this one for the longest`,
    );
    if (socket.remoteAddress !== undefined) this.#remotes.set(error, socket.remoteAddress);
    socket.destroy(error);
  }
}
