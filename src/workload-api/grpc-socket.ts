import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { hasCode, messageOf } from '../errors/index.ts';
import { listenOnUnixSocket } from '../platform/index.ts';
import { withFirstFlight } from './repaired-connection.ts';
import { WorkloadApiError } from './errors.ts';

/** A service of a gRPC socket: it adds its own methods to the server. */
export interface GrpcService {
  addTo(server: Server): void;
}

/** The largest request. Tokens and lists of names are the longest. */
const MAX_REQUEST_BYTES = 1024 * 1024;

/**
 * gRPC services on one Unix socket, without TLS. A caller that may open the file may use them
 * (WLAPI-01, WLAPI-05).
 */
export class GrpcSocket {
  readonly #grpc = new Server({ 'grpc.max_receive_message_length': MAX_REQUEST_BYTES });
  readonly #sockets = new Set<Socket>();
  readonly #maxConnections: number;
  readonly #inject: (connection: Duplex) => void;
  #listener: NetServer;
  #place: { readonly path: string; readonly mode: number | undefined } | undefined;

  constructor(services: readonly GrpcService[], maxConnections: number) {
    for (const service of services) service.addTo(this.#grpc);
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#inject = (connection) => injector.injectConnection(connection);
    this.#maxConnections = maxConnections;
    this.#listener = this.#createListener();
  }

  /**
   * Opens the socket with that mode. Throws `WorkloadApiError` `socket-in-use`, `socket-failed`.
   */
  async start(path: string, mode?: number): Promise<void> {
    this.#place = { path, mode };
    await this.#listen(path, mode);
  }

  /**
   * Opens a socket again at its place after its file was removed. Connected clients stay connected.
   * Throws as `start`.
   */
  async reopen(): Promise<void> {
    if (!this.#place) throw new TypeError('a socket must be opened before it can be opened again');
    const before = this.#listener;
    this.#listener = this.#createListener();
    // First, because closing removes any file at the path.
    before.close();
    await this.#listen(this.#place.path, this.#place.mode);
  }

  /** Ends every connection at once. */
  async stop(): Promise<void> {
    this.#grpc.forceShutdown();
    // Includes silent connections, which the library does not know.
    for (const socket of this.#sockets) socket.destroy();
    if (this.#listener.listening) await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }

  #createListener(): NetServer {
    const listener = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      withFirstFlight(socket, this.#inject);
    });
    listener.maxConnections = this.#maxConnections;
    return listener;
  }

  async #listen(path: string, mode: number | undefined): Promise<void> {
    try {
      await listenOnUnixSocket(this.#listener, path, mode);
    } catch (cause) {
      const inUse = hasCode(cause, 'EADDRINUSE');
      const why = messageOf(cause);
      throw new WorkloadApiError(
        inUse ? 'socket-in-use' : 'socket-failed',
        `opening the workload socket ${path} failed: ${why}`,
        { cause },
      );
    }
  }
}
