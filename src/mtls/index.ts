/** TLS in both roles. Our own verifier proves the peer before the first application byte. */
export { closedBeforeFirstByte, connectMtls, type ConnectMtlsOptions } from './connect-mtls.ts';
export { ConnectionRegistry } from './connection-registry.ts';
export { MtlsError, type MtlsErrorCode } from './errors.ts';
export { createFileSvidSource, type FileSvidSource } from './file-svid-source.ts';
export { MtlsServer, type MtlsServerOptions, type RefusedConnection } from './mtls-server.ts';
export {
  admitPeer,
  type Authorize,
  type PeerRole,
  type PeerVerifier,
  provePeer,
  sentChain,
  type VerifiedPeer,
} from './peer.ts';
export { endsOf, PendingHandshakes } from './pending-handshakes.ts';
export { refusalFields, type RefusedPeer, refusedPeer } from './refused-peer.ts';
export { createSpiffeVerifier } from './spiffe-verifier.ts';
export { type Svid, type SvidSource, svidFromDer, svidFromPem, tlsIdentity } from './svid.ts';
export { SERVER_CHOOSES_SUITE, secureContextOptions } from './tls-profile.ts';
export { VerifiedPeers } from './verified-peers.ts';
