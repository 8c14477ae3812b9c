import { CodedError } from '../spiffe/index.ts';

export type MtlsErrorCode =
  /** The peer showed no certificate. */
  | 'no-certificate'
  /** The peer sent more certificates, or more bytes of them, than are looked at. */
  | 'chain-too-long'
  /** The session was resumed, so nothing was proved now (FED-42). */
  | 'session-reused'
  /** The peer is who it says, but is not on the list of those admitted (X509-40). */
  | 'peer-not-authorized'
  /** We have no SVID to show yet. */
  | 'no-svid'
  | 'svid-invalid'
  | 'connect-failed'
  | 'handshake-failed'
  | 'handshake-timeout'
  /** More clients at once are in their handshake than are waited for. */
  | 'too-many-handshakes'
  /**
   * The peer ended the connection before its first byte: it refused our SVID, or closed (X509-42).
   */
  | 'peer-closed-before-first-byte'
  | 'port-in-use'
  | 'listen-failed';

/** A TLS connection that did not come about, or an SVID of ours that cannot be shown. */
export class MtlsError extends CodedError<MtlsErrorCode> {}
