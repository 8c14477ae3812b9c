import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Server as TlsServer } from 'node:tls';
import type { VerifiedPeer } from '../../mtls/index.ts';
import { createDialer, type Dial } from './connect.ts';
import type { MtlsServerOptions } from './guarded-server.ts';
import type { MtlsClientOptions } from './mtls-options.ts';
import { createTlsServer } from './servers.ts';

const ALPN = ['h2'];

/** Makes credentials without TLS, as the class `ServerCredentials` of `@grpc/grpc-js` does. */
export interface InsecureCredentials<Credentials> {
  createInsecure(): Credentials;
}

/** Makes credentials for calls, as `credentials` of `@grpc/grpc-js` does. */
export interface EmptyCredentials {
  createEmpty(): unknown;
}

/**
 * What is needed of the module `@grpc/grpc-js`. The program passes its own, because credentials of
 * one copy of the module are worth nothing in another.
 */
export interface GrpcModule<ForChannels, ForServers> {
  readonly ChannelCredentials: abstract new () => ForChannels;
  readonly ServerCredentials: InsecureCredentials<ForServers>;
  readonly credentials: EmptyCredentials;
}

/** Takes over connections for a gRPC server. */
export interface ConnectionInjector {
  injectConnection(connection: Duplex): void;
}

/** What is needed of a `Server` of `@grpc/grpc-js`. */
export interface GrpcServer<Credentials> {
  createConnectionInjector(credentials: Credentials): ConnectionInjector;
}

/** What gRPC knows about the peer of a call. */
export interface GrpcAuthContext {
  readonly sslPeerCertificate?: object | undefined;
}

/** What is needed of a call that a gRPC server handles. */
export interface GrpcCall {
  getAuthContext(): GrpcAuthContext;
}

/**
 * Credentials for a gRPC client whose server is proved by SPIFFE ID before a call is written:
 * `new Client(address, createChannelCredentials(grpc, options))`, with
 * `import * as grpc from '@grpc/grpc-js'`. Works with version 1.12 and later.
 */
export function createChannelCredentials<ForChannels extends object>(
  grpc: GrpcModule<ForChannels, unknown>,
  options: MtlsClientOptions,
): ForChannels {
  const Base = grpc.ChannelCredentials as abstract new () => object;
  const dial = createDialer(options);
  class SpiffeCredentials extends Base {
    _isSecure(): boolean {
      return true;
    }

    _equals(other: unknown): boolean {
      return other === this;
    }

    _createSecureConnector(target: { readonly path: string }, _options: unknown, callCredentials?: unknown) {
      const own = callCredentials ?? grpc.credentials.createEmpty();
      return {
        connect: async (socket: Socket) => ({
          socket: await proved(dial, target.path, socket),
          secure: true,
        }),
        waitForReady: () => Promise.resolve(),
        getCallCredentials: () => own,
        destroy: () => {},
      };
    }
  }
  // The class above has every method that the module's abstract class asks for.
  return new SpiffeCredentials() as ForChannels;
}

/** `path` is the host and port that gRPC connects to, such as `server.example:443`. */
async function proved(dial: Dial, path: string, tcp: Socket): Promise<Socket> {
  const host = path.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  const named = /^[a-z0-9._-]+$/i.test(host) && isIP(host) === 0;
  const { socket } = await dial({
    host,
    port: tcp.remotePort ?? 0,
    ...(named ? { serverName: host } : {}),
    alpnProtocols: ALPN,
    socket: tcp,
  });
  return socket;
}

/** Certificates that a gRPC server reads of its proved connections, with the peers behind them. */
const peersByCertificate = new WeakMap<object, VerifiedPeer>();

/**
 * A listener that serves a gRPC server to clients that are proved by SPIFFE ID:
 * `createGrpcListener(grpc, server, options).listen(port)`, instead of `server.bindAsync`. A handler
 * finds its client with `peerOfCall(call)`.
 */
export function createGrpcListener<ForServers>(
  grpc: GrpcModule<object, ForServers>,
  server: GrpcServer<ForServers>,
  options: MtlsServerOptions,
): TlsServer {
  // Insecure for gRPC, because the connections that it gets are proved already.
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  return createTlsServer({ ...options, alpnProtocols: ALPN }, (socket, peer) => {
    const certificate = socket.getPeerCertificate(true);
    peersByCertificate.set(certificate, peer);
    socket.getPeerCertificate = () => certificate;
    injector.injectConnection(socket);
  });
}

/**
 * The proved client of a call to a server behind `createGrpcListener`. Throws `TypeError` for every
 * other call, so that an unproved client never passes for a proved one.
 */
export function peerOfCall(call: GrpcCall): VerifiedPeer {
  const { sslPeerCertificate: certificate } = call.getAuthContext();
  const peer = certificate && peersByCertificate.get(certificate);
  if (!peer)
    throw new TypeError('the client of this call is not proved: it did not come over mTLS by SPIFFE ID');
  return peer;
}
