import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Log } from './log.ts';

/** Where a server listens; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export type ListenFailure = 'port-in-use' | 'listen-failed';

/**
 * Listens on a TCP address. On failure it rejects with the result of `refusal`, because each room
 * has its own errors. `refusal` gets the code, a sentence that names the address and the purpose,
 * and the system's error. Later failures to accept (no file descriptors left, for one) are logged;
 * without a listener they would end the process.
 */
export async function listenOn(options: {
  readonly server: Server;
  readonly address: ListenAddress;
  /** The purpose, as the end of a sentence: `the bundle endpoint`. */
  readonly purpose: string;
  readonly refusal: (code: ListenFailure, message: string, options: ErrorOptions) => Error;
  readonly log: Log;
}): Promise<void> {
  const { server, purpose, refusal, log } = options;
  const { host, port } = options.address;
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      const why = inUse ? 'another process listens there' : cause.message;
      const message = `listening on ${host}:${port} for ${purpose} failed: ${why}`;
      reject(refusal(inUse ? 'port-in-use' : 'listen-failed', message, { cause }));
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      server.on('error', (error) => log.error('accepting connections failed', { error }));
      resolve();
    });
  });
}

/** The TCP address of a server. Throws `TypeError` where it does not listen on one. */
export function addressOf(server: Pick<Server, 'address'> | undefined, what: string): AddressInfo {
  const address = server?.address();
  if (typeof address === 'object' && address) return address;
  throw new TypeError(`${what} does not listen`);
}

/** Closes an HTTP server with all its connections; at once where it does not listen. */
export async function closeAtOnce(server: HttpServer | HttpsServer): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Whether this process could listen on a TCP address at this moment. */
export async function canListen({ host, port }: ListenAddress): Promise<boolean> {
  const server = createServer();
  return await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
