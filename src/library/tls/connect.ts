import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connectMtls, type PeerVerifier, type VerifiedPeer } from '../../mtls/index.ts';
import { defined } from '../../objects/index.ts';
import { type MtlsClientOptions, svidSourceOf } from './mtls-options.ts';
import { ProvedConnections } from './proved-connections.ts';

/** Where a connection leads. */
export interface ConnectTarget {
  readonly host: string;
  readonly port: number;
  /** The SNI. Default: `host`, where it is a name. It plays no part in who the server is. */
  readonly serverName?: string;
  /** Protocols to offer, such as `h2` (RFC 7301). Default: none. */
  readonly alpnProtocols?: readonly string[];
  /** A connection to use instead of a new one. */
  readonly socket?: Socket;
  readonly signal?: AbortSignal;
}

/**
 * Opens a TLS connection whose server is proved by SPIFFE ID and admitted before the promise
 * resolves. In TLS 1.3 the server judges our SVID only after that: an end before the first byte
 * means that it refused us. Rejects with `X509SvidError` or `MtlsError`, or with the signal's
 * reason.
 */
export function connectTls(
  options: MtlsClientOptions & ConnectTarget,
): Promise<{ readonly socket: TLSSocket; readonly peer: VerifiedPeer }> {
  return createDialer(options)(options);
}

/** Opens proved connections, all by the same options. */
export type Dial = (
  target: ConnectTarget,
) => Promise<{ readonly socket: TLSSocket; readonly peer: VerifiedPeer }>;

export function createDialer(options: MtlsClientOptions): Dial {
  const connections = new ProvedConnections(options);
  const source = options.svid && svidSourceOf(options.svid);
  const verifier: PeerVerifier = connections.verifier;
  return async ({ host, port, serverName, alpnProtocols, socket: given, signal }) => {
    const name = serverName ?? (isIP(host) === 0 ? host : undefined);
    const { socket, peer } = await connectMtls({
      host,
      port,
      ...(name ? { serverName: name } : {}),
      ...defined({ alpnProtocols, socket: given, svid: source }),
      verifier,
      authorize: options.authorize,
      signal: signal ?? new AbortController().signal,
      timeoutMs: options.timeoutMs ?? 10_000,
    });
    // As in a server: Node says so of a chain that it has checked itself.
    socket.authorized = true;
    connections.add(socket, peer, 'server');
    return { socket, peer };
  };
}
