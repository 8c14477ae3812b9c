import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { endsOf } from '../mtls/index.ts';

interface Connection {
  readonly socket: Socket;
  /** Absent during the handshake. */
  tls?: TLSSocket;
  /** Requests that began and are not answered yet. */
  requests: number;
  /**
   * The bytes the client had sent at the end of its last request. More bytes are the beginning of
   * the next one.
   */
  readBytes: number;
}

/**
 * Every connection of the endpoint, with its requests in flight. It includes connections in their
 * handshake, which the HTTP server does not know.
 */
export class OpenConnections {
  readonly #byEnds = new Map<string, Connection>();
  readonly #byTls = new WeakMap<Socket, Connection>();
  #closing = false;

  /** Registers a new TCP connection. */
  opened(socket: Socket): void {
    const ends = endsOf(socket);
    const connection = { socket, requests: 0, readBytes: 0 };
    this.#byEnds.set(ends, connection);
    socket.once('close', () => {
      if (this.#byEnds.get(ends) === connection) this.#byEnds.delete(ends);
    });
  }

  /** Records that the handshake of a connection succeeded. */
  secured(tls: TLSSocket): void {
    const connection = this.#byEnds.get(endsOf(tls));
    if (!connection) return;
    connection.tls = tls;
    this.#byTls.set(tls, connection);
  }

  /** Records a request on this connection, as the HTTP server names it. */
  requestBegun(tls: Socket): void {
    const connection = this.#byTls.get(tls);
    if (connection) connection.requests += 1;
  }

  /** Records that the request was answered, or that its connection is gone. */
  requestEnded(tls: Socket): void {
    const connection = this.#byTls.get(tls);
    if (!connection) return;
    connection.requests -= 1;
    connection.readBytes = tls.bytesRead;
    // Lets the answer go out first.
    if (this.#closing && connection.requests === 0) tls.destroySoon();
  }

  /**
   * Closes idle connections now, and the others when their request ends. A half-sent request counts
   * as one.
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
