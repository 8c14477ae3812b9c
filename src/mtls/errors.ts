import { CodedError } from '../spiffe/index.ts';

export type MtlsErrorCode =
  /** The peer presented no certificate. */
  | 'no-certificate'
  /** The peer sent more certificates, or more bytes of them, than the limits allow. */
  | 'chain-too-long'
  /** The session was resumed, so the peer proved nothing now (FED-42). */
  | 'session-reused'
  /** The peer's identity is proved, but it is not on the list of admitted peers (X509-40). */
  | 'peer-not-authorized'
  /** We have no SVID to present yet. */
  | 'no-svid'
  | 'svid-invalid'
  | 'connect-failed'
  | 'handshake-failed'
  | 'handshake-timeout'
  /** Too many clients are in their handshake at once. */
  | 'too-many-handshakes'
  /**
   * The peer ended the connection before its first byte: it refused our SVID, or closed (X509-42).
   */
  | 'peer-closed-before-first-byte'
  | 'port-in-use'
  | 'listen-failed';

/** A TLS connection failed, or our own SVID cannot be presented. */
export class MtlsError extends CodedError<MtlsErrorCode> {}
