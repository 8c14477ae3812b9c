import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { endsOf } from '../mtls/index.ts';

interface Connection {
  readonly socket: Socket;
  /** Absent during the handshake. */
  tls?: TLSSocket;
  /** Requests that were begun and not answered yet. */
  requests: number;
  /**
   * How much the client had sent at the end of its last request; more than that is the beginning of
   * the next.
   */
  readBytes: number;
}

/**
 * Every connection of the endpoint, those in their handshake included, which the HTTP server does
 * not know; and whether somebody waits for an answer on it.
 */
export class OpenConnections {
  readonly #byEnds = new Map<string, Connection>();
  readonly #byTls = new WeakMap<Socket, Connection>();
  #closing = false;

  /** A TCP connection came in. */
  opened(socket: Socket): void {
    const ends = endsOf(socket);
    const connection = { socket, requests: 0, readBytes: 0 };
    this.#byEnds.set(ends, connection);
    socket.once('close', () => {
      if (this.#byEnds.get(ends) === connection) this.#byEnds.delete(ends);
    });
  }

  /** The handshake of a connection has ended well. */
  secured(tls: TLSSocket): void {
    const connection = this.#byEnds.get(endsOf(tls));
    if (!connection) return;
    connection.tls = tls;
    this.#byTls.set(tls, connection);
  }

  /** A request came in on this connection, as the HTTP server names it. */
  requestBegun(tls: Socket): void {
    const connection = this.#byTls.get(tls);
    if (connection) connection.requests += 1;
  }

  /** The request was answered, or its connection is gone. */
  requestEnded(tls: Socket): void {
    const connection = this.#byTls.get(tls);
    if (!connection) return;
    connection.requests -= 1;
    connection.readBytes = tls.bytesRead;
    // The answer goes out first.
    if (this.#closing && connection.requests === 0) tls.destroySoon();
  }

  /**
   * Closes now where no request is under way, a half-sent one included, and elsewhere with the end
   * of the request.
   */
  closeIdle(): void {
    this.#closing = true;
    for (const { socket, tls, requests, readBytes } of this.#byEnds.values())
      if (!tls || (requests === 0 && tls.bytesRead === readBytes)) socket.destroy();
  }

  closeAll(): void {
    for (const { socket } of this.#byEnds.values()) socket.destroy();
  }
}
