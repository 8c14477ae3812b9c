import { SvidError } from './svid-error.ts';

export type StatementErrorCode =
  /** More characters than allowed. */
  | 'statement-too-large'
  /** No compact JWS with the header and the JSON claims of a statement. */
  | 'statement-malformed'
  /** `typ` is that of another kind of statement. */
  | 'statement-type'
  /** `alg` is none that we take, or does not go with the signer's key. */
  | 'statement-algorithm'
  /**
   * The chain in `x5c` is not proven by the bundle of its own trust domain; the cause is an
   * `X509SvidError`.
   */
  | 'signer-refused'
  /** The signer's key did not make the signature. */
  | 'signature-invalid'
  /** `iss` is not the ID of the signer. */
  | 'issuer-mismatch'
  /** `aud` is somebody else. */
  | 'audience-mismatch'
  /** `exp` is past. */
  | 'statement-expired'
  /** `iat` is in the future, or after `exp`. */
  | 'statement-from-the-future';

/** A signed statement is not accepted. */
export class StatementError extends SvidError<StatementErrorCode> {}
