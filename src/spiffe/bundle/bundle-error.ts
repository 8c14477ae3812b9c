import { CodedError } from '../../errors/index.ts';

export type BundleErrorCode =
  /** The bytes are not a JSON text that we accept; the cause is a `JsonError` (TDB-20, TDB-43). */
  | 'bundle-not-json'
  /** More bytes or nesting than the limits allow (TDB-44). */
  | 'bundle-too-large'
  /** The text is JSON, but not an object with an array `keys` (TDB-03). */
  | 'bundle-not-a-bundle'
  | 'bundle-too-many-entries'
  /** `spiffe_sequence` is not an unsigned 64-bit integer (TDB-09). */
  | 'bundle-sequence'
  /** `spiffe_refresh_hint` is not an integer (TDB-12). */
  | 'bundle-refresh-hint'
  /**
   * A bundle map without an object `trust_domains`, or with a key that is not a trust domain
   * (MAP-01, MAP-06).
   */
  | 'map-not-a-map'
  | 'map-trust-domain'
  /** One bundle of a map is refused; the cause says why (MAP-06). */
  | 'map-bundle'
  | 'authority-not-a-certificate'
  | 'authority-not-a-ca'
  /** The certificate's key is of a kind that a bundle cannot hold. */
  | 'authority-key-unsupported'
  /** We can read the certificate, but not every other verifier can. */
  | 'authority-not-portable'
  /** No anchor can stand for the certificate in a merged pool. */
  | 'authority-not-narrowable';

/** A bundle, a bundle map or an authority is refused. */
export class BundleError extends CodedError<BundleErrorCode> {}
