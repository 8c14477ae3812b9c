import { defined } from '../../objects/index.ts';
import type { JwtAuthority, TrustBundle, X509Authority } from './bundle.ts';
import {
  type BundleLimits,
  type BundleReading,
  defaultBundleLimits,
  readBundle,
  readJwkSet,
} from './bundle-reader.ts';
import type { BundleNote } from './bundle-note.ts';
import { BundleError } from './bundle-error.ts';
import { jwkOfPublicKey } from './jwk.ts';
import { JsonError, type JsonValue, parseStrictJson } from '../base/strict-json.ts';
import type { TrustDomain } from '../id/trust-domain.ts';
import { parseCertificate } from '../x509/certificate.ts';

/** A bundle, and the notes about its document. */
export interface ParsedBundle {
  readonly bundle: TrustBundle;
  readonly notes: readonly BundleNote[];
}

/**
 * A bundle from its document (SPIFFE Trust Domain and Bundle §4). A bad entry is ignored and noted;
 * a bad document is refused. Because the document does not name its trust domain, the caller gives
 * it (TDB-39). An empty `keys` is legal and revokes everything (TDB-04). Throws `BundleError`:
 * `bundle-not-json`, `bundle-too-large`, `bundle-not-a-bundle`, `bundle-too-many-entries`,
 * `bundle-sequence`, `bundle-refresh-hint`.
 */
export function parseBundle(
  trustDomain: TrustDomain,
  bytes: Uint8Array,
  limits: BundleLimits = defaultBundleLimits,
  reading: BundleReading = 'portable',
): ParsedBundle {
  return readBundle(trustDomain, parseBundleJson(bytes, limits), limits, reading);
}

/**
 * A bundle of JWT authorities alone, from the plain JWK Set of a Workload API. A bad key is
 * ignored. Throws `BundleError`: `bundle-not-json`, `bundle-too-large`, `bundle-not-a-bundle`,
 * `bundle-too-many-entries`.
 */
export function parseJwkSet(trustDomain: TrustDomain, bytes: Uint8Array): TrustBundle {
  const jwtAuthorities = readJwkSet(parseBundleJson(bytes, defaultBundleLimits), defaultBundleLimits);
  return { trustDomain, x509Authorities: [], jwtAuthorities };
}

/**
 * The JSON of a bundle or a bundle map. Throws `BundleError`: `bundle-not-json`,
 * `bundle-too-large`.
 */
export function parseBundleJson(bytes: Uint8Array, limits: BundleLimits): JsonValue {
  try {
    return parseStrictJson(bytes, limits);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const tooLarge = error.code === 'json-too-large' || error.code === 'json-too-deep';
    const code = tooLarge ? 'bundle-too-large' : 'bundle-not-json';
    throw new BundleError(code, `the bundle document could not be read: ${error.message}`, { cause: error });
  }
}

/**
 * The canonical document of a bundle: fixed order of members, X.509 entries by fingerprint, then
 * JWT entries by key ID. Equal bundles are therefore equal bytes (TDB-01, TDB-02, TDB-14, TDB-16,
 * TDB-18, TDB-21, TDB-22, TDB-33).
 */
export function serializeBundle(bundle: TrustBundle): Uint8Array {
  return Buffer.from(`${bundleText(bundle)}\n`);
}

/** The document of a bundle as text without a line end, as a bundle map holds it. */
export function bundleText(bundle: TrustBundle, { withHint = true } = {}): string {
  const entries = [
    ...sortedX509(bundle.x509Authorities).map(x509Entry),
    ...sortedJwt(bundle.jwtAuthorities).map(jwtEntry),
  ];
  // Written by hand because JSON.stringify has no way to write a 64-bit integer.
  const members: string[] = [];
  if (bundle.sequence !== undefined) members.push(`"spiffe_sequence":${bundle.sequence}`);
  if (withHint && bundle.refreshHintSeconds !== undefined)
    members.push(`"spiffe_refresh_hint":${bundle.refreshHintSeconds}`);
  members.push(`"keys":[${entries.map((entry) => JSON.stringify(entry)).join(',')}]`);
  return `{${members.join(',')}}`;
}

/** X.509 authorities in canonical order: by fingerprint. */
export function sortedX509(authorities: readonly X509Authority[]): X509Authority[] {
  return [...authorities].sort((a, b) => compare(a.fingerprint, b.fingerprint));
}

/** JWT authorities in canonical order: by key ID, and by key where two share one. */
export function sortedJwt(authorities: readonly JwtAuthority[]): JwtAuthority[] {
  return [...authorities].sort(
    (a, b) =>
      compare(a.keyId, b.keyId) ||
      compare(jwkText(a.jwk), jwkText(b.jwk)) ||
      compare(a.algorithm ?? '', b.algorithm ?? ''),
  );
}

/** The members of a JWK in canonical order, as text. */
export function jwkText(jwk: Readonly<Record<string, string>>): string {
  return JSON.stringify(orderedJwk(jwk));
}

// An authority is written with every version that has it, and reading its certificate each time
// would cost the most.
const authorityJwks = new WeakMap<X509Authority, Record<string, string>>();

function x509Entry(authority: X509Authority): Record<string, unknown> {
  const { der } = authority;
  let jwk = authorityJwks.get(authority);
  if (!jwk) {
    const read = jwkOfPublicKey(parseCertificate(der).spkiDer);
    if (!read) throw new TypeError('an authority of a bundle has a key that a JWK can hold');
    jwk = orderedJwk(read);
    authorityJwks.set(authority, jwk);
  }
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  return { ...jwk, use: 'x509-svid', x5c: [base64] };
}

function jwtEntry({ keyId, jwk, algorithm }: JwtAuthority): Record<string, unknown> {
  const named = defined({ alg: algorithm });
  return { ...orderedJwk(jwk), use: 'jwt-svid', kid: keyId, ...named };
}

function orderedJwk(jwk: Readonly<Record<string, string>>): Record<string, string> {
  const ordered: Record<string, string> = {};
  for (const member of ['kty', 'crv', 'n', 'e', 'x', 'y']) {
    const value = jwk[member];
    if (value !== undefined) ordered[member] = value;
  }
  return ordered;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
