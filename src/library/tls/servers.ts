import type { RequestListener } from 'node:http';
import { createServer as createNodeHttpsServer, type Server as HttpsServer } from 'node:https';
import { createServer as createNodeTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { VerifiedPeer } from '../../mtls/index.ts';
import { guardServer, type MtlsServerOptions, serverOptions } from './guarded-server.ts';
import { peerOf } from './proved-connections.ts';

/**
 * A `tls.Server` whose clients are proved by SPIFFE ID. `listener`, and every listener of
 * `secureConnection`, receives admitted clients only, before any byte was read. No session is
 * resumed. While there is no SVID to present, new connections are closed. Call `listen` and `close`
 * as on every server of Node.
 */
export function createTlsServer(
  options: MtlsServerOptions,
  listener?: (socket: TLSSocket, peer: VerifiedPeer) => void,
): TlsServer {
  const server = createNodeTlsServer(serverOptions(options));
  guardServer(server, options);
  if (listener) server.on('secureConnection', (socket) => listener(socket, peerOf(socket)));
  return server;
}

/**
 * An `https.Server` whose clients are proved by SPIFFE ID, as `createTlsServer`. A handler finds
 * its client with `peerOf(request.socket)`.
 */
export function createHttpsServer(options: MtlsServerOptions, listener?: RequestListener): HttpsServer {
  const withProtocol = { alpnProtocols: ['http/1.1'], ...options };
  const server = createNodeHttpsServer(serverOptions(withProtocol), listener);
  guardServer(server, withProtocol);
  return server;
}
