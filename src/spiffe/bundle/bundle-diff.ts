import { hash } from 'node:crypto';
import type { JwtAuthority, TrustBundle, X509Authority } from './bundle.ts';
import { jwkText, sortedJwt, sortedX509 } from './bundle-document.ts';

/** What a change of bundle adds, removes and keeps. */
export interface BundleDiff {
  readonly addedX509: readonly X509Authority[];
  readonly removedX509: readonly X509Authority[];
  readonly keptX509: readonly X509Authority[];
  readonly addedJwt: readonly JwtAuthority[];
  readonly removedJwt: readonly JwtAuthority[];
  readonly keptJwt: readonly JwtAuthority[];
}

// Needed at every verification, for bundles that live for hours.
const digests = new WeakMap<TrustBundle, string>();

/**
 * SHA-256, lower-case hex, over the trust domain and its sorted authorities, without sequence and
 * refresh hint. It covers lines of text, each ended by a line feed. First come
 * `spiffe-bundle-content-v1` and the trust domain. Then `x509 <sha256 of the DER>` by fingerprint
 * and `jwt <key ID as JSON> <JWK as JSON>` by key ID. The algorithm follows as JSON where the key
 * is for one only.
 */
export function contentDigest(bundle: TrustBundle): string {
  const known = digests.get(bundle);
  if (known !== undefined) return known;
  const lines = [
    'spiffe-bundle-content-v1',
    bundle.trustDomain,
    ...sortedX509(bundle.x509Authorities).map(({ fingerprint }) => `x509 ${fingerprint}`),
    ...sortedJwt(bundle.jwtAuthorities).map((authority) => `jwt ${jwtLabel(authority)}`),
  ];
  const digest = hash('sha256', `${lines.join('\n')}\n`, 'hex');
  digests.set(bundle, digest);
  return digest;
}

/**
 * Whether two bundles trust the same for the same trust domain: authorities as sets, without
 * sequence and hint.
 */
export function bundlesEqual(a: TrustBundle, b: TrustBundle): boolean {
  return contentDigest(a) === contentDigest(b);
}

/** What changes from `before` (nothing, if undefined) to `after`, each list sorted. */
export function diffBundles(before: TrustBundle | undefined, after: TrustBundle): BundleDiff {
  const oldX509 = new Map(
    (before?.x509Authorities ?? []).map((authority) => [authority.fingerprint, authority]),
  );
  const newX509 = new Map(after.x509Authorities.map((authority) => [authority.fingerprint, authority]));
  const oldJwt = new Map((before?.jwtAuthorities ?? []).map((authority) => [jwtLabel(authority), authority]));
  const newJwt = new Map(after.jwtAuthorities.map((authority) => [jwtLabel(authority), authority]));
  return {
    addedX509: sortedX509(missingIn(oldX509, newX509)),
    removedX509: sortedX509(missingIn(newX509, oldX509)),
    keptX509: sortedX509(presentIn(oldX509, newX509)),
    addedJwt: sortedJwt(missingIn(oldJwt, newJwt)),
    removedJwt: sortedJwt(missingIn(newJwt, oldJwt)),
    keptJwt: sortedJwt(presentIn(oldJwt, newJwt)),
  };
}

/**
 * Leaves out a missing algorithm, so that digests from before algorithms were kept stay the same.
 */
function jwtLabel({ keyId, jwk, algorithm }: JwtAuthority): string {
  const label = `${JSON.stringify(keyId)} ${jwkText(jwk)}`;
  return algorithm === undefined ? label : `${label} ${JSON.stringify(algorithm)}`;
}

function missingIn<Value>(other: ReadonlyMap<string, Value>, values: ReadonlyMap<string, Value>): Value[] {
  return [...values].flatMap(([label, value]) => (other.has(label) ? [] : [value]));
}

function presentIn<Value>(other: ReadonlyMap<string, Value>, values: ReadonlyMap<string, Value>): Value[] {
  return [...values].flatMap(([label, value]) => (other.has(label) ? [value] : []));
}
