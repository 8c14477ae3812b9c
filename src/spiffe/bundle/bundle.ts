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
   * What names the key, 64 lower-case hex digits: it stays when a CA is re-issued with the same
   * key, however that is encoded.
   */
  readonly keyFingerprint: string;
  /** The subject as people read it, for instance `O=istio.example,CN=Root 1`; may be empty. */
  readonly subject: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** One key that may sign JWT-SVIDs of its trust domain (JWT-SVID §6.1). */
export interface JwtAuthority {
  readonly keyId: string;
  /** The public members only: `kty` and what it requires, never `d`. */
  readonly jwk: Readonly<Record<string, string>>;
  /**
   * `alg`: the one algorithm that the key is for (RFC 7517 §4.4); absent where the bundle names
   * none.
   */
  readonly algorithm?: string;
}

/**
 * What one trust domain's identities are checked against (SPIFFE Trust Domain and Bundle §4).
 * Immutable; the name travels with it (TDB-39).
 */
export interface TrustBundle {
  readonly trustDomain: TrustDomain;
  readonly x509Authorities: readonly X509Authority[];
  readonly jwtAuthorities: readonly JwtAuthority[];
  /** `spiffe_sequence`, 0 to 2^64−1. */
  readonly sequence?: bigint;
  /** `spiffe_refresh_hint` in seconds, as published; clamping is the poller's. */
  readonly refreshHintSeconds?: number;
}

/**
 * Answers with the bundle of one trust domain, or nothing; whoever verifies takes a source and
 * never learns where it came from.
 */
export interface BundleSource {
  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined;
  /**
   * Keys (SHA-256 of the SubjectPublicKeyInfo) of that trust domain that no path may lead through,
   * although a peer sends CA certificates over them that another authority signed. The same set
   * until it changes; left out: none.
   */
  distrustedKeys?(trustDomain: TrustDomain): ReadonlySet<string> | undefined;
}
