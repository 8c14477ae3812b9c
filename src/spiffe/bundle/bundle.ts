import type { TrustDomain } from '../id/trust-domain.ts';

/**
 * One CA certificate that may end a certificate path of its trust domain (X509-SVID §6.1). Compared
 * by `fingerprint`.
 */
export interface X509Authority {
  /** The certificate, DER. */
  readonly der: Uint8Array;
  /** SHA-256 of `der`, 64 lower-case hex digits. */
  readonly fingerprint: string;
  /**
   * The digest of the key, 64 lower-case hex digits. It stays the same when a CA is re-issued with
   * the same key, in any encoding.
   */
  readonly keyFingerprint: string;
  /** The subject as text, for instance `O=istio.example,CN=Root 1`; may be empty. */
  readonly subject: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** One key that may sign JWT-SVIDs of its trust domain (JWT-SVID §6.1). */
export interface JwtAuthority {
  readonly keyId: string;
  /** The public members only: `kty` and what it requires, never `d`. */
  readonly jwk: Readonly<Record<string, string>>;
  /** `alg`: the only algorithm of the key (RFC 7517 §4.4); absent where the bundle names none. */
  readonly algorithm?: string;
}

/**
 * The authorities that verify one trust domain's identities (SPIFFE Trust Domain and Bundle §4).
 * Immutable; it includes the name of its trust domain (TDB-39).
 */
export interface TrustBundle {
  readonly trustDomain: TrustDomain;
  readonly x509Authorities: readonly X509Authority[];
  readonly jwtAuthorities: readonly JwtAuthority[];
  /** `spiffe_sequence`, 0 to 2^64−1. */
  readonly sequence?: bigint;
  /** `spiffe_refresh_hint` in seconds, as published; the poller clamps it. */
  readonly refreshHintSeconds?: number;
}

/**
 * Provides the bundle of one trust domain, or nothing. A verifier takes a source and does not know
 * where bundles come from.
 */
export interface BundleSource {
  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined;
  /**
   * Keys (SHA-256 of the SubjectPublicKeyInfo) of that trust domain that no path may use, even in
   * CA certificates that another authority signed. The same set until it changes; left out: none.
   */
  distrustedKeys?(trustDomain: TrustDomain): ReadonlySet<string> | undefined;
  /**
   * Calls back after each change until the returned function is called. Left out: nothing changes,
   * or its user learns of a change in another way.
   */
  onChange?(listener: () => void): () => void;
}
