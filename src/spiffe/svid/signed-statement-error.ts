import { SvidError } from './svid-error.ts';

export type StatementErrorCode =
  /** More characters than allowed. */
  | 'statement-too-large'
  /** Not a compact JWS with the header and the JSON claims of a statement. */
  | 'statement-malformed'
  /** `typ` is that of another kind of statement. */
  | 'statement-type'
  /** `alg` is not one that we accept, or does not fit the signer's key. */
  | 'statement-algorithm'
  /**
   * The bundle of the chain's own trust domain does not prove `x5c`; the cause is an
   * `X509SvidError`.
   */
  | 'signer-refused'
  /** The signer's key did not make the signature. */
  | 'signature-invalid'
  /** `iss` is not the ID of the signer. */
  | 'issuer-mismatch'
  /** `aud` names another audience. */
  | 'audience-mismatch'
  /** `exp` is past. */
  | 'statement-expired'
  /** `iat` is in the future, or after `exp`. */
  | 'statement-from-the-future';

/** A signed statement is not accepted. */
export class StatementError extends SvidError<StatementErrorCode> {}
