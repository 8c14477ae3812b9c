import type { TLSSocket } from 'node:tls';
import type { SpiffeId, TrustDomain } from '../spiffe/index.ts';
import { MtlsError } from './errors.ts';

/** The role of the peer in TLS. */
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

/**
 * Judges a chain as it was sent, synchronously. Throws a `CodedError` with the reason of a refusal.
 */
export interface PeerVerifier {
  verify(chain: readonly Uint8Array[], peerRole: PeerRole): VerifiedPeer;
}

/**
 * Decides whether a proved peer is admitted: returns nothing, or throws a `CodedError` such as
 * `MtlsError` `peer-not-authorized`. An answer that comes later would come after the first byte, so
 * it must not be asynchronous.
 */
export type Authorize = (peer: VerifiedPeer) => void;

/**
 * Asks an authorizer about a proved peer. Throws its error. Throws `TypeError` where it returns a
 * value, because a promise or `false` would otherwise pass for an admission.
 */
export function admitPeer(authorize: Authorize, peer: VerifiedPeer): void {
  const answer: unknown = authorize(peer);
  if (answer === undefined) return;
  // A rejection is not news: the peer is refused in any case.
  if (answer instanceof Promise) answer.catch(() => {});
  throw new TypeError(
    `an authorizer returns nothing to admit a peer and throws to refuse it, but the one for ${peer.id} returned a value`,
  );
}

const MAX_CERTIFICATES = 8;
const MAX_CHAIN_BYTES = 64 * 1024;

/**
 * The certificates of a peer as it sent them, leaf first: all of them, unless `tooLong`, or none.
 */
export interface SentChain {
  readonly certificates: readonly Uint8Array[];
  readonly tooLong: boolean;
}

/**
 * Proves the peer of a connection whose handshake has just ended, from the result of `sentChain`.
 * Call this synchronously, before any other listener, so that no application byte passes before the
 * peer is proved and admitted (X509-43). Throws the verifier's errors, and `MtlsError`
 * `session-reused`, `no-certificate`, `chain-too-long`.
 */
export function provePeer(
  socket: TLSSocket,
  { certificates, tooLong }: SentChain,
  verifier: PeerVerifier,
  peerRole: PeerRole,
): VerifiedPeer {
  if (socket.isSessionReused()) {
    throw new MtlsError(
      'session-reused',
      'the TLS session was resumed, so the peer proved nothing on this connection',
    );
  }
  if (tooLong) {
    throw new MtlsError(
      'chain-too-long',
      `the peer sent more than ${MAX_CERTIFICATES} certificates or ${MAX_CHAIN_BYTES} bytes of them`,
    );
  }
  if (certificates.length === 0) throw new MtlsError('no-certificate', 'the peer presented no certificate');
  return verifier.verify(certificates, peerRole);
}

/**
 * What the peer presented. Call this once: the second time Node has lost the issuers, and in a
 * client the leaf as well.
 */
export function sentChain(socket: TLSSocket): SentChain {
  const certificates: Uint8Array[] = [];
  let bytes = 0;
  for (let each = socket.getPeerX509Certificate(); each; each = each.issuerCertificate) {
    bytes += each.raw.length;
    if (certificates.length === MAX_CERTIFICATES || bytes > MAX_CHAIN_BYTES)
      return { certificates, tooLong: true };
    certificates.push(each.raw);
  }
  return { certificates, tooLong: false };
}
