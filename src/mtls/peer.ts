import type { TLSSocket } from 'node:tls';
import type { SpiffeId, TrustDomain } from '../spiffe/index.ts';
import { MtlsError } from './errors.ts';

/** The part the peer plays in TLS. */
export type PeerRole = 'client' | 'server';

/** A peer whose identity was proved on this connection. */
export interface VerifiedPeer {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** SHA-256 of the authority at the end of the path, hex. */
  readonly anchorFingerprint: string;
  /** SHA-256 of the peer's leaf, hex. */
  readonly leafFingerprint: string;
  /** Digest of the bundle that proved it. */
  readonly bundleDigest: string;
  /** The earliest end of validity on the path. */
  readonly notAfter: Date;
  /** DER as the peer sent it, leaf first. */
  readonly chain: readonly Uint8Array[];
}

/** Judges a chain as it was sent, synchronously. Throws a `CodedError` that says why not. */
export interface PeerVerifier {
  verify(chain: readonly Uint8Array[], peerRole: PeerRole): VerifiedPeer;
}

/** Whether a proved peer is admitted: returns, or throws a `CodedError` such as `MtlsError` `peer-not-authorized`. */
export type Authorize = (peer: VerifiedPeer) => void;

const MAX_CERTIFICATES = 8;
const MAX_CHAIN_BYTES = 64 * 1024;

/**
 * Proves and admits the peer of a connection whose handshake has just ended; to be called synchronously, before
 * anybody else listens, so that no application byte passes before it (X509-43). Throws the verifier's and the
 * authorizer's errors, and `MtlsError` `session-reused`, `no-certificate`, `chain-too-long`.
 */
export function admitPeer(
  socket: TLSSocket,
  verifier: PeerVerifier,
  authorize: Authorize,
  peerRole: PeerRole,
): VerifiedPeer {
  const peer = provePeer(socket, verifier, peerRole);
  authorize(peer);
  return peer;
}

/** The first half of `admitPeer`: who the peer is, before the question whether it is admitted. */
export function provePeer(socket: TLSSocket, verifier: PeerVerifier, peerRole: PeerRole): VerifiedPeer {
  if (socket.isSessionReused()) {
    throw new MtlsError(
      'session-reused',
      'the TLS session was resumed, so the peer proved nothing on this connection',
    );
  }
  return verifier.verify(chainOf(socket), peerRole);
}

/** The certificates as the peer sent them. Node gives them once only: a second call has lost the issuers. */
function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let bytes = 0;
  for (let each = socket.getPeerX509Certificate(); each; each = each.issuerCertificate) {
    bytes += each.raw.length;
    if (chain.length === MAX_CERTIFICATES || bytes > MAX_CHAIN_BYTES) {
      throw new MtlsError(
        'chain-too-long',
        `the peer sent more than ${MAX_CERTIFICATES} certificates or ${MAX_CHAIN_BYTES} bytes of them`,
      );
    }
    chain.push(each.raw);
  }
  if (chain.length === 0) throw new MtlsError('no-certificate', 'the peer showed no certificate');
  return chain;
}
