import { type KeyObject, X509Certificate } from 'node:crypto';
import { CompactSign } from 'jose';
import { defined } from '../../objects/index.ts';
import { decodeBase64, decodeBase64url } from '../base/base64.ts';
import type { BundleSource } from '../bundle/bundle.ts';
import { jwkOfPublicKey } from '../bundle/jwk.ts';
import { fitsAlgorithm, isJwsAlgorithm, type JwsAlgorithm } from './jws-algorithm.ts';
import { isSignedBy } from './jws-signature.ts';
import { judgeStatementTimes, readInstant } from './signed-statement-times.ts';
import { StatementError } from './signed-statement-error.ts';
import type { SpiffeId } from '../id/spiffe-id.ts';
import { JsonError, type JsonObject, type JsonValue, parseStrictJson } from '../base/strict-json.ts';
import { verifyX509Svid, type X509Svid, X509SvidError } from './x509-svid.ts';

/** The longest statement that is read, unless a caller sets another limit. */
const MAX_STATEMENT_CHARACTERS = 16_384;

const MAX_DEPTH = 32;
/** A leaf and its intermediates. */
const MAX_CERTIFICATES = 8;
const HEADERS: ReadonlySet<string> = new Set(['alg', 'typ', 'x5c']);
/** The claims that the caller cannot set. */
const OWN_CLAIMS: ReadonlySet<string> = new Set(['iss', 'aud', 'iat', 'exp']);

/** The kinds of statements. Each has its own `typ`, so that none can replace another. */
export type StatementType = `federate-${string}+jws`;

/** The signer: an X509-SVID and its key. */
export interface StatementSigner {
  readonly id: SpiffeId;
  /** DER, leaf first, then intermediates. */
  readonly certificateChain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
}

export interface StatementRequest {
  readonly type: StatementType;
  readonly signer: StatementSigner;
  /** The audience: a trust domain, or a fixed name of the kind of statement. */
  readonly audience: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** JSON values; never `iss`, `aud`, `iat`, `exp`. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A proven statement: the holder of the SVID stated this, for this audience, at this time. */
export interface Statement {
  readonly signer: X509Svid;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** All claims, `iss`, `aud`, `iat` and `exp` too. */
  readonly claims: JsonObject;
}

/**
 * Signs a statement of ours: a JWS in compact serialization (RFC 7515 §7.1) over JSON claims,
 * signed with the key of an X509-SVID whose chain is in `x5c` (§4.1.6). Times are in whole seconds.
 * Throws `StatementError` `statement-algorithm` for a key that fits no JWS algorithm.
 */
export async function signStatement(request: StatementRequest): Promise<string> {
  const { type, signer, audience, issuedAt, expiresAt, claims } = request;
  const taken = Object.keys(claims).find((name) => OWN_CLAIMS.has(name));
  if (taken !== undefined) throw new TypeError(`the claim ${taken} is not the caller's`);
  const payload = {
    ...claims,
    iss: signer.id,
    aud: audience,
    iat: Math.floor(issuedAt.getTime() / 1000),
    exp: Math.floor(expiresAt.getTime() / 1000),
  };
  return new CompactSign(Buffer.from(JSON.stringify(payload), 'utf8'))
    .setProtectedHeader({
      alg: algorithmOf(signer.privateKey),
      typ: type,
      x5c: signer.certificateChain.map((der) => Buffer.from(der).toString('base64')),
    })
    .sign(signer.privateKey);
}

export interface StatementOptions {
  readonly type: StatementType;
  /** Our name for the signer: exactly its `aud`. */
  readonly audience: string;
  /** Asked for the bundle of the signer's own trust domain, and for no other. */
  readonly bundles: BundleSource;
  readonly now: Date;
  /** Default `MAX_STATEMENT_CHARACTERS`. */
  readonly maxCharacters?: number;
}

/**
 * Proves a statement. It must be within bounds, signed by the key of its leaf, of the expected
 * kind, for us, and not expired. The bundle of the signer's own trust domain must prove its chain,
 * as in a handshake where the signer is the server. Whether that signer may state such a thing is
 * for the caller to decide. Rejects with `StatementError`.
 */
export async function verifyStatement(token: string, options: StatementOptions): Promise<Statement> {
  const { type, audience, bundles, now, maxCharacters = MAX_STATEMENT_CHARACTERS } = options;
  const { algorithm, chain, claims } = read(token, type, maxCharacters);
  const signer = proveSigner(chain, bundles, now);
  const jwk = jwkOfPublicKey(new X509Certificate(chain[0]).publicKey.export({ type: 'spki', format: 'der' }));
  if (!jwk || !fitsAlgorithm(jwk, algorithm))
    throw new StatementError('statement-algorithm', `${algorithm} does not fit the key of ${signer.id}`);
  if (!(await isSignedBy(token, algorithm, { keyId: '', jwk })))
    throw new StatementError('signature-invalid', `the statement is not signed by the key of ${signer.id}`);
  if (claims.get('iss') !== signer.id)
    throw new StatementError(
      'issuer-mismatch',
      `the statement that ${signer.id} signed names another issuer`,
    );
  if (claims.get('aud') !== audience)
    throw new StatementError('audience-mismatch', `the statement of ${signer.id} is not for ${audience}`);
  const issuedAt = readInstant(claims, 'iat');
  const expiresAt = readInstant(claims, 'exp');
  judgeStatementTimes({ issuedAt, expiresAt, now, signer: signer.id });
  return { signer, issuedAt, expiresAt, claims };
}

function algorithmOf(key: KeyObject): JwsAlgorithm {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'rsa') return 'PS256';
  if (curve === 'prime256v1') return 'ES256';
  if (curve === 'secp384r1') return 'ES384';
  if (curve === 'secp521r1') return 'ES512';
  throw new StatementError(
    'statement-algorithm',
    `statements are signed with RSA or ECDSA keys, not with ${key.asymmetricKeyType ?? 'an unknown kind'}`,
  );
}

function read(token: string, type: StatementType, maxCharacters: number) {
  if (token.length > maxCharacters)
    throw new StatementError(
      'statement-too-large',
      `a statement has at most ${maxCharacters} characters, this one has ${token.length}`,
    );
  const parts = token.split('.');
  const [headerBytes, claimsBytes, signature] = parts.map(decodeBase64url);
  if (parts.length !== 3 || !headerBytes?.length || !claimsBytes?.length || !signature?.length)
    throw malformed('it is not three parts of base64url, joined by dots');
  const header = readObject(headerBytes, 'header', maxCharacters);
  const algorithm = header.get('alg');
  if (!isJwsAlgorithm(algorithm))
    throw new StatementError(
      'statement-algorithm',
      'the statement is signed with an algorithm that we do not accept',
    );
  // An unknown header, `crit` above all, could change the meaning of the signature (RFC 7515
  // §4.1.11).
  for (const name of header.keys())
    if (!HEADERS.has(name)) throw malformed(`its header has ${name.slice(0, 40)}`);
  if (header.get('typ') !== type)
    throw new StatementError('statement-type', `the statement is not of the kind ${type}`);
  return {
    algorithm,
    chain: readChain(header.get('x5c')),
    claims: readObject(claimsBytes, 'claims', maxCharacters),
  };
}

function readObject(bytes: Uint8Array, what: string, maxBytes: number): JsonObject {
  try {
    const value = parseStrictJson(bytes, { maxBytes, maxDepth: MAX_DEPTH });
    if (value instanceof Map) return value;
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw malformed(`its ${what} could not be read: ${cause.message}`, cause);
  }
  throw malformed(`its ${what} is not a JSON object`);
}

function readChain(value: JsonValue | undefined): readonly [Uint8Array, ...Uint8Array[]] {
  if (!Array.isArray(value) || value.length > MAX_CERTIFICATES)
    throw malformed(`x5c is a list of 1 to ${MAX_CERTIFICATES} certificates`);
  const [leaf, ...others] = value.map((each) => {
    const der = typeof each === 'string' ? decodeBase64(each) : undefined;
    if (!der?.length) throw malformed('x5c holds a value that is not a certificate in base64');
    return der;
  });
  if (!leaf) throw malformed('x5c holds no certificate');
  return [leaf, ...others];
}

function proveSigner(chain: readonly Uint8Array[], bundles: BundleSource, now: Date): X509Svid {
  try {
    return verifyX509Svid(chain, bundles, { now, peerRole: 'server' });
  } catch (cause) {
    if (!(cause instanceof X509SvidError)) throw cause;
    throw new StatementError(
      'signer-refused',
      `the signer of the statement is not proven: ${cause.message}`,
      {
        cause,
        ...defined({ claimedId: cause.claimedId }),
      },
    );
  }
}

function malformed(why: string, cause?: unknown): StatementError {
  return new StatementError('statement-malformed', `the statement cannot be read: ${why}`, { cause });
}
