import { defined } from '../../objects/index.ts';
import type { JwtAuthority, TrustBundle, X509Authority } from './bundle.ts';
import { decodeBase64, decodeBase64url } from '../base/base64.ts';
import { BundleError } from './bundle-error.ts';
import { portableAuthorityFromDer, x509AuthorityFromDer } from './bundle-from-certificates.ts';
import type { BundleNote, BundleNoteCode } from './bundle-note.ts';
import { ed25519KeyProblem, rsaKeyProblem } from '../x509/interoperable-key.ts';
import { holdsSecret, isKnownKeyType, jwkOfPublicKey, type PublicJwk, readJwk, statesKey } from './jwk.ts';
import { JsonNumber, type JsonObject, type JsonValue } from '../base/strict-json.ts';
import type { TrustDomain } from '../id/trust-domain.ts';
import { parseCertificate } from '../x509/certificate.ts';

/** The size limits of a bundle document (TDB-44). */
export interface BundleLimits {
  readonly maxBytes: number;
  /** Entries of `keys`; in a map those of all bundles together. */
  readonly maxEntries: number;
  /** How deep objects and arrays may be nested. */
  readonly maxDepth: number;
}

/**
 * Which X.509 authorities count. `portable`: those that every verifier can read, for everything
 * that a peer publishes. `readable`: those that we can read, for our own bundle and for the
 * history.
 */
export type BundleReading = 'portable' | 'readable';

export const defaultBundleLimits: BundleLimits = { maxBytes: 1_048_576, maxEntries: 1000, maxDepth: 16 };

const MAX_SEQUENCE = 2n ** 64n - 1n;
const MAX_KEY_ID_CHARACTERS = 1024;

/** A bundle from the JSON of its document; see `parseBundle`. Throws `BundleError`. */
export function readBundle(
  trustDomain: TrustDomain,
  document: JsonValue,
  limits: BundleLimits,
  reading: BundleReading,
): { bundle: TrustBundle; notes: readonly BundleNote[] } {
  const entries = document instanceof Map ? document.get('keys') : undefined;
  if (!(document instanceof Map) || !Array.isArray(entries)) {
    throw new BundleError('bundle-not-a-bundle', 'a bundle is a JSON object with an array "keys"');
  }
  if (entries.length > limits.maxEntries) {
    throw new BundleError(
      'bundle-too-many-entries',
      `a bundle has at most ${limits.maxEntries} entries, this one has ${entries.length}`,
    );
  }
  const reader = new EntryReader(reading);
  const sequence = readSequence(document.get('spiffe_sequence'));
  const hint = readRefreshHint(document.get('spiffe_refresh_hint'));
  for (const [index, entry] of entries.entries()) reader.read(entry, index);
  const { x509, jwt, notes } = reader;
  if (hint === 'ignored')
    notes.push({
      code: 'refresh-hint-ignored',
      message: 'a refresh hint must be positive, this one is ignored',
    });
  if (x509.size === 0 && jwt.length === 0 && entries.length > 0) {
    notes.push({
      code: 'no-usable-keys',
      message: `none of ${entries.length} entries is usable: trust domain ${trustDomain} is untrusted`,
    });
  }
  const bundle = {
    trustDomain,
    x509Authorities: [...x509.values()],
    jwtAuthorities: jwt,
    ...defined({ sequence }),
    ...(typeof hint === 'number' ? { refreshHintSeconds: hint } : {}),
  };
  return { bundle, notes };
}

/**
 * The JWT authorities of a plain JWK Set, as a Workload API sends it: each key is for JWT-SVIDs,
 * unless its `use` says otherwise (WLAPI-23). Throws `BundleError`.
 */
export function readJwkSet(document: JsonValue, limits: BundleLimits): readonly JwtAuthority[] {
  const entries = document instanceof Map ? document.get('keys') : undefined;
  if (!Array.isArray(entries))
    throw new BundleError('bundle-not-a-bundle', 'a JWK Set is a JSON object with an array "keys"');
  if (entries.length > limits.maxEntries) {
    throw new BundleError(
      'bundle-too-many-entries',
      `a JWK Set has at most ${limits.maxEntries} keys, this one has ${entries.length}`,
    );
  }
  const reader = new EntryReader('readable', 'jwt-svid');
  for (const [index, entry] of entries.entries()) reader.read(entry, index);
  return reader.jwt;
}

function readSequence(value: JsonValue | undefined): bigint | undefined {
  if (value === undefined || value === null) return undefined;
  const sequence = value instanceof JsonNumber && !value.source.startsWith('-') ? value.integer : undefined;
  if (sequence === undefined || sequence > MAX_SEQUENCE) {
    throw new BundleError(
      'bundle-sequence',
      'spiffe_sequence is an integer from 0 to 2^64-1 in plain digits',
    );
  }
  return sequence;
}

function readRefreshHint(value: JsonValue | undefined): number | 'ignored' | undefined {
  if (value === undefined || value === null) return undefined;
  const hint = value instanceof JsonNumber ? value.integer : undefined;
  if (hint === undefined)
    throw new BundleError('bundle-refresh-hint', 'spiffe_refresh_hint is an integer number of seconds');
  if (hint <= 0n) return 'ignored';
  // No poller waits longer, because it clamps the hint anyway.
  return hint > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(hint);
}

/** Collects the authorities of the entries of one bundle, and notes their defects. */
class EntryReader {
  readonly x509 = new Map<string, X509Authority>();
  readonly jwt: JwtAuthority[] = [];
  readonly notes: BundleNote[] = [];
  readonly #reading: BundleReading;
  readonly #defaultUse: 'jwt-svid' | undefined;

  /** `defaultUse` is the use of an entry that names none; left out: such an entry does not count. */
  constructor(reading: BundleReading, defaultUse?: 'jwt-svid') {
    this.#reading = reading;
    this.#defaultUse = defaultUse;
  }

  read(entry: JsonValue, index: number): void {
    if (!(entry instanceof Map)) {
      this.#note('entry-not-an-object', index, 'an entry is an object');
      return;
    }
    if (holdsSecret(entry)) {
      this.notes.push({
        code: 'entry-holds-secret',
        index,
        message: `entry ${index + 1} is ignored: it publishes private or symmetric key material, which is now known to others`,
        grave: true,
      });
      return;
    }
    if (!isKnownKeyType(entry.get('kty'))) {
      this.#note('entry-key-type-unknown', index, `kty is RSA, EC or OKP, not ${shown(entry.get('kty'))}`);
      return;
    }
    const use = entry.get('use') ?? this.#defaultUse;
    if (use === 'x509-svid') this.#readX509(entry, index);
    else if (use === 'jwt-svid') this.#readJwt(entry, index);
    else this.#note('entry-use-unknown', index, `use is x509-svid or jwt-svid, not ${shown(use)}`);
  }

  #readX509(entry: JsonObject, index: number): void {
    const chain = entry.get('x5c');
    const [first, ...surplus] = Array.isArray(chain) ? chain : [];
    if (first === undefined) {
      this.#note('entry-without-certificate', index, 'x5c holds a certificate');
      return;
    }
    const der = typeof first === 'string' ? decodeBase64(first) : undefined;
    if (!der) {
      this.#note(
        'entry-certificate-malformed',
        index,
        'x5c holds standard base64 with padding and without line breaks',
      );
      return;
    }
    let authority: X509Authority;
    try {
      authority = (this.#reading === 'portable' ? portableAuthorityFromDer : x509AuthorityFromDer)(der);
    } catch (error) {
      if (!(error instanceof BundleError)) throw error;
      this.#note(noteCodeOf(error), index, error.message);
      return;
    }
    const jwk = jwkOfPublicKey(parseCertificate(authority.der).spkiDer);
    if (!jwk || !statesKey(entry, jwk)) {
      this.#note('entry-key-mismatch', index, 'the key members state the key of the certificate');
      return;
    }
    if (this.x509.has(authority.fingerprint))
      this.#note('entry-repeated', index, 'an authority is listed once');
    this.x509.set(authority.fingerprint, authority);
    if (surplus.length > 0) {
      this.notes.push({
        code: 'entry-surplus-certificates',
        index,
        message: `entry ${index + 1} has ${surplus.length} certificates too many, which are ignored`,
      });
    }
  }

  #readJwt(entry: JsonObject, index: number): void {
    const keyId = entry.get('kid');
    if (typeof keyId !== 'string' || keyId === '' || keyId.length > MAX_KEY_ID_CHARACTERS) {
      this.#note('entry-without-key-id', index, `kid is a text of 1 to ${MAX_KEY_ID_CHARACTERS} characters`);
      return;
    }
    const jwk = readJwk(entry);
    if (!jwk) {
      this.#note('entry-key-unsupported', index, 'the key members state a public key');
      return;
    }
    const problem = this.#reading === 'portable' ? jwtKeyProblem(jwk) : undefined;
    if (problem !== undefined) {
      this.#note('entry-key-unsupported', index, `other programs cannot read the key: ${problem}`);
      return;
    }
    const use = readKeyUse(entry);
    if (typeof use === 'string') {
      this.#note('entry-key-unsupported', index, use);
      return;
    }
    const rivals = this.jwt.filter((authority) => authority.keyId === keyId);
    if (rivals.some((rival) => JSON.stringify(rival.jwk) === JSON.stringify(jwk))) {
      this.#note('entry-repeated', index, 'an authority is listed once');
      return;
    }
    if (rivals.length > 0) {
      this.notes.push({
        code: 'entry-key-id-shared',
        index,
        message: `entry ${index + 1} shares the kid ${shown(keyId)} with another key; both stay candidates`,
      });
    }
    this.jwt.push({ keyId, jwk, ...use });
  }

  #note(code: BundleNoteCode, index: number, rule: string): void {
    this.notes.push({ code, index, message: `entry ${index + 1} is ignored: ${rule}` });
  }
}

/**
 * Why other programs cannot read a JWT key, or would refuse all keys for it. A key that is too
 * short only proves nothing.
 */
function jwtKeyProblem({ kty, n = '', e = '', x = '' }: PublicJwk): string | undefined {
  if (kty === 'OKP') {
    const point = decodeBase64url(x);
    return point ? ed25519KeyProblem(point) : 'its number is not base64url';
  }
  if (kty !== 'RSA') return undefined;
  const [modulus, exponent] = [decodeBase64url(n), decodeBase64url(e)];
  if (!modulus || !exponent) return 'its numbers are not base64url';
  return rsaKeyProblem({ kind: 'rsa', modulus, exponent, onlyPss: false });
}

/**
 * What `alg` and `key_ops` say of a JWT key (RFC 7517 §4.3, §4.4), or why it may not check
 * signatures.
 */
function readKeyUse(entry: JsonObject): { readonly algorithm?: string } | string {
  const operations = entry.get('key_ops');
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return 'key_ops of a JWT key has "verify"';
  const algorithm = entry.get('alg');
  if (algorithm === undefined) return {};
  if (typeof algorithm !== 'string' || !/^[!-~]{1,40}$/.test(algorithm))
    return 'alg is the name of an algorithm';
  return { algorithm };
}

function noteCodeOf(error: BundleError): BundleNoteCode {
  if (error.code === 'authority-not-a-ca') return 'entry-certificate-not-a-ca';
  if (error.code === 'authority-not-portable') return 'entry-certificate-not-portable';
  if (error.code === 'authority-key-unsupported') return 'entry-key-unsupported';
  return 'entry-certificate-malformed';
}

/** A value from outside, short enough for a sentence. */
function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : 'of another type';
}
