import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import {
  answerHealth,
  clearCallerProofs,
  listenOnUnixSocket,
  type NotReady,
  provedCaller,
} from '../platform/index.ts';
import { CodedError, hasCode, messageOf } from '../errors/index.ts';
import { type AdminApi, createAdminRoutes } from './admin-routes.ts';

export type AdminServerErrorCode = 'admin-socket-in-use' | 'admin-socket-failed';

/** The admin socket could not be opened. */
class AdminServerError extends CodedError<AdminServerErrorCode> {}

/**
 * Serves the admin API, `/livez` and `/readyz` on a Unix socket that only the agent's own user may
 * open.
 */
export class AdminServer {
  readonly #server: Server;
  readonly #path: string;

  constructor(options: AdminApi & { readonly path: string; readonly notReady: NotReady }) {
    this.#path = options.path;
    const routes = createAdminRoutes(options, (name) => provedCaller(options.path, name));
    const listener = getRequestListener(routes.fetch);
    this.#server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000 }, (request, response) => {
      if (!answerHealth(request, response, () => options.notReady())) void listener(request, response);
    });
  }

  /** Throws `AdminServerError`: `admin-socket-in-use`, `admin-socket-failed`. */
  async start(): Promise<void> {
    try {
      await listenOnUnixSocket(this.#server, this.#path);
      await clearCallerProofs(this.#path);
    } catch (cause) {
      const why = messageOf(cause);
      const inUse = hasCode(cause, 'EADDRINUSE');
      throw new AdminServerError(
        inUse ? 'admin-socket-in-use' : 'admin-socket-failed',
        `opening the admin socket ${this.#path} failed: ${why}`,
        { cause },
      );
    }
  }

  /**
   * Opens the socket again whose file was taken away; clients that are connected stay so. Throws as
   * `start`.
   */
  async reopen(): Promise<void> {
    // First, because closing takes away whatever is at the path.
    this.#server.close();
    await this.start();
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      // A follow-up request on a kept connection is not worth a slow shutdown.
      setTimeout(() => this.#server.closeAllConnections(), 1000).unref();
    });
  }
}
