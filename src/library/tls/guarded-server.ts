import type { Socket } from 'node:net';
import type { SecureVersion, Server, TlsOptions, TLSSocket } from 'node:tls';
import { messageOf } from '../../errors/index.ts';
import {
  admitPeer,
  MtlsError,
  PendingHandshakes,
  provePeer,
  type RefusedConnection,
  refusedPeer,
  secureContextOptions,
  sentChain,
  SERVER_CHOOSES_SUITE,
  tlsIdentity,
  type VerifiedPeer,
} from '../../mtls/index.ts';
import { type MtlsOptions, svidSourceOf } from './mtls-options.ts';
import { ProvedConnections } from './proved-connections.ts';

/** The options of a server. */
export interface MtlsServerOptions extends MtlsOptions {
  /** Protocols to choose from, such as `h2` (RFC 7301). Default: none, and `http/1.1` for HTTPS. */
  readonly alpnProtocols?: readonly string[];
  /** Default TLS 1.2. */
  readonly minVersion?: SecureVersion;
  /** Default 5000. */
  readonly handshakeTimeoutMs?: number;
  /** Handshakes at once; for a further one the oldest is closed. Default 512. */
  readonly maxPendingHandshakes?: number;
  /**
   * Receives each connection that is not passed on, with the code and the reason. Also a new SVID of
   * ours that cannot be presented (`svid-invalid`, without a `remote`): the one before stays.
   */
  readonly onRefused?: (refused: RefusedConnection) => void;
}

/**
 * Options of Node for a server that `guardServer` guards. Without that guard no check takes place.
 */
export function serverOptions(options: MtlsServerOptions): TlsOptions {
  return {
    ...contextOptions(options),
    ...(options.alpnProtocols ? { ALPNProtocols: [...options.alpnProtocols] } : {}),
    requestCert: true,
    // Our own verifier judges the chain, instead of the TLS stack.
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs ?? 5000,
  };
}

/**
 * Makes a server of Node pass on a connection only after the client's SVID was proved and admitted,
 * synchronously at the end of the handshake (X509-43). It stands between the server and all its
 * listeners, because a listener can be put in front of any other.
 */
export function guardServer(server: Server, options: MtlsServerOptions): void {
  const svid = svidSourceOf(options.svid);
  const connections = new ProvedConnections(options);
  const handshakes = new PendingHandshakes(options.maxPendingHandshakes ?? 512);
  let ready = false;
  const refuse = (refused: RefusedConnection) => options.onRefused?.(refused);
  const present = () => {
    const current = svid.current();
    ready = current !== undefined;
    // All of it again, because `setSecureContext` forgets what it is not given.
    if (current) server.setSecureContext({ ...contextOptions(options), ...tlsIdentity(current) });
  };
  const begin = (socket: Socket): boolean => {
    if (ready) handshakes.begin(socket);
    else {
      const { remoteAddress: remote } = socket;
      socket.destroy();
      refuse({ remote, code: 'no-svid', message: 'there is no SVID to present yet' });
    }
    return ready;
  };
  const admit = (socket: TLSSocket): boolean => {
    const { remoteAddress: remote } = socket;
    handshakes.end(socket);
    // Until its next owner listens, an error must not end the process.
    socket.on('error', () => {});
    const sent = sentChain(socket);
    let peer: VerifiedPeer | undefined;
    try {
      peer = provePeer(socket, sent, connections.verifier, 'client');
      admitPeer(options.authorize, peer);
    } catch (error) {
      socket.destroy();
      refuse({ remote, ...refusedPeer(error, sent, peer) });
      return false;
    }
    // Node says so of a chain that it has checked itself. Frameworks look at it.
    socket.authorized = true;
    connections.add(socket, peer, 'client');
    return true;
  };
  const emit = server.emit.bind(server) as (event: string | symbol, ...values: unknown[]) => boolean;
  server.emit = (event: string | symbol, ...values: unknown[]): boolean => {
    const [socket] = values;
    if (event === 'connection' && !begin(socket as Socket)) return true;
    if (event === 'secureConnection' && !admit(socket as TLSSocket)) return true;
    return emit(event, ...values);
  };
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const late = error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT';
    const code = error instanceof MtlsError ? error.code : late ? 'handshake-timeout' : 'handshake-failed';
    const remote = socket.remoteAddress ?? handshakes.remoteOf(error);
    socket.destroy();
    refuse({ remote, code, message: error.message });
  });
  present();
  const unfollow = svid.onChange(() => {
    try {
      present();
    } catch (error) {
      // The source goes on, and new connections keep the SVID before.
      const why = messageOf(error);
      refuse({
        remote: undefined,
        code: 'svid-invalid',
        message: `our new SVID cannot be presented: ${why}`,
      });
    }
  });
  server.once('close', () => {
    handshakes.closeAll();
    unfollow();
  });
}

function contextOptions({ minVersion }: MtlsServerOptions) {
  return { ...secureContextOptions(minVersion), ...SERVER_CHOOSES_SUITE };
}
