import { SvidError } from './svid-error.ts';

export type JwtSvidErrorCode =
  /** More characters than `MAX_JWT_SVID_CHARACTERS`. */
  | 'token-too-large'
  /** Not three parts of base64url: JSON serialization, JWE, white space, padding (JWT-01). */
  | 'token-not-compact'
  /**
   * The header is not a JSON object, or repeats a member; the cause is a `JsonError` where there is
   * one.
   */
  | 'token-header-malformed'
  /** `alg` is not one of the nine (JWT-02). */
  | 'token-algorithm'
  /** `typ` is present and neither `JWT` nor `JOSE` (JWT-05). */
  | 'token-type'
  /** `kid` is present and not a text of 1 to 1024 characters. */
  | 'token-key-id'
  /**
   * A header other than `alg`, `kid` and `typ`: `jwk`, `jku`, `x5c`, `x5u`, `crit` and any other
   * (JWT-07).
   */
  | 'token-header-parameter'
  /**
   * The claims are not a JSON object, repeat a member, or one of them has a wrong type (JWT-08 to
   * JWT-14).
   */
  | 'token-claims-malformed'
  /**
   * `sub` is missing or not a SPIFFE ID; the cause is a `SpiffeIdError` where there is one
   * (JWT-08).
   */
  | 'id-invalid'
  /** `sub` names a trust domain, not a workload (JWT-09). */
  | 'id-without-path'
  /** There is no bundle for the trust domain of `sub` (JWT-15). */
  | 'no-bundle'
  /** The bundle of that trust domain has no JWT authority (TDB-31, TDB-32). */
  | 'no-authority'
  /** No JWT authority of that bundle has the token's `kid`; others are not tried (JWT-04). */
  | 'key-unknown'
  /** The candidate keys do not fit `alg` (JWT-03). */
  | 'key-unfit'
  /**
   * The keys that go with `alg` are too weak, or too large to be checked: RSA from 2048 to 16384
   * bits.
   */
  | 'key-refused'
  /** More keys would have to be tried than `MAX_KEYS_TRIED`. */
  | 'too-many-keys'
  /** No candidate key made the signature (JWT-15). */
  | 'signature-invalid'
  /** `exp` is missing (JWT-13). */
  | 'expiry-missing'
  /** `exp` is past (JWT-13). */
  | 'token-expired'
  /** `nbf` is in the future (JWT-14). */
  | 'token-not-yet-valid'
  /** `iat` is in the future (JWT-14). */
  | 'token-issued-in-future'
  /** `aud` is missing or an empty array (JWT-10). */
  | 'audience-missing'
  /** `aud` does not contain an audience of the validator (JWT-10). */
  | 'audience-mismatch';

/**
 * A JWT-SVID is not accepted. The message never holds the token, which is a credential. The claimed
 * ID is that of `sub`, proven only for the codes about times and audience.
 */
export class JwtSvidError extends SvidError<JwtSvidErrorCode> {}
