import type { Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { defined } from '../objects/index.ts';
import { MtlsError } from './errors.ts';
import {
  admitPeer,
  type Authorize,
  type PeerVerifier,
  provePeer,
  sentChain,
  type VerifiedPeer,
} from './peer.ts';
import { type RefusedPeer, refusedPeer } from './refused-peer.ts';
import { type Svid, type SvidSource, tlsIdentity } from './svid.ts';
import { secureContextOptions } from './tls-profile.ts';

export interface ConnectMtlsOptions {
  readonly host: string;
  readonly port: number;
  /** The SNI; it plays no part in who the peer is (FED-28). */
  readonly serverName?: string;
  /** Our SVID to present; absent: no certificate at all (FED-40). */
  readonly svid?: SvidSource;
  readonly verifier: PeerVerifier;
  readonly authorize: Authorize;
  /** Protocols to offer, such as `h2` (RFC 7301); left out: none. */
  readonly alpnProtocols?: readonly string[];
  readonly signal: AbortSignal;
  /** For TCP and the handshake together. */
  readonly timeoutMs: number;
  /** A connection to use instead of a new one. */
  readonly socket?: Socket;
  /**
   * Called with a peer that was not proved or not admitted, for the caller's record. The rejection
   * follows.
   */
  readonly onRefused?: (refused: RefusedPeer) => void;
}

const contexts = new WeakMap<Svid, SecureContext>();
let withoutSvid: SecureContext | undefined;

/**
 * Opens a TLS connection whose peer is proved and admitted before it is returned. No application
 * byte was sent or read on it. In TLS 1.3 the other side judges us only after this, so it may still
 * end the connection before its first byte. Rejects with the verifier's and authorizer's errors,
 * and `MtlsError` `no-svid`, `connect-failed`, `handshake-failed`, `handshake-timeout`,
 * `session-reused`, `no-certificate`, `chain-too-long`; with the signal's reason when it aborts.
 */
export async function connectMtls(
  options: ConnectMtlsOptions,
): Promise<{ readonly socket: TLSSocket; readonly peer: VerifiedPeer }> {
  const { host, port, signal, timeoutMs } = options;
  signal.throwIfAborted();
  const secureContext = contextFor(options.svid);
  const socket = connect({
    ...(options.socket ? { socket: options.socket } : { host, port }),
    ...defined({ servername: options.serverName }),
    ...(options.alpnProtocols ? { ALPNProtocols: [...options.alpnProtocols] } : {}),
    secureContext,
    // Our own verifier judges the chain below, instead of the TLS stack.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  return new Promise((resolve, reject) => {
    let connected = options.socket !== undefined;
    const timer = setTimeout(() => {
      fail(
        new MtlsError('handshake-timeout', `no TLS connection with ${host}:${port} within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    const onAbort = () => fail(signal.reason);
    const onError = (cause: Error) => {
      const why = 'code' in cause && cause.message === '' ? String(cause.code) : cause.message;
      fail(
        connected
          ? new MtlsError('handshake-failed', `the TLS handshake with ${host}:${port} failed: ${why}`, {
              cause,
            })
          : new MtlsError('connect-failed', `connecting to ${host}:${port} failed: ${why}`, { cause }),
      );
    };
    const onClose = () =>
      fail(
        new MtlsError('handshake-failed', `${host}:${port} closed the connection during the TLS handshake`),
      );
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('close', onClose);
    };
    const fail = (error: unknown) => {
      settle();
      // Ignores a late error of an abandoned connection.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.once('connect', () => {
      connected = true;
      socket.setNoDelay(true);
    });
    socket.prependOnceListener('secureConnect', () => {
      // The next owner listens later. Until then an error must not end the process.
      socket.on('error', () => {});
      const sent = sentChain(socket);
      let peer: VerifiedPeer | undefined;
      try {
        peer = provePeer(socket, sent, options.verifier, 'server');
        admitPeer(options.authorize, peer);
        settle();
        resolve({ socket, peer });
      } catch (error) {
        options.onRefused?.(refusedPeer(error, sent, peer));
        fail(error);
      }
    });
  });
}

/**
 * Why a connection of `connectMtls` ended without one application byte of the peer. In TLS 1.3 a
 * client learns nothing else of a refusal (X509-42). Undefined when the peer has sent a byte.
 */
export function closedBeforeFirstByte(socket: TLSSocket, peer: VerifiedPeer): MtlsError | undefined {
  if (socket.bytesRead > 0) return undefined;
  return new MtlsError(
    'peer-closed-before-first-byte',
    `${peer.id} ended the connection before its first byte: it refused our SVID or closed`,
  );
}

/** One context per SVID, because making one costs as much as a handshake. */
function contextFor(source: SvidSource | undefined): SecureContext {
  if (!source) {
    withoutSvid ??= createSecureContext(secureContextOptions());
    return withoutSvid;
  }
  const svid = source.current();
  if (!svid) throw new MtlsError('no-svid', 'there is no SVID to present yet');
  const known = contexts.get(svid);
  if (known) return known;
  const made = createSecureContext({ ...secureContextOptions(), ...tlsIdentity(svid) });
  contexts.set(svid, made);
  return made;
}
