import { decodeBase64url } from '../base/base64.ts';
import { isJwsAlgorithm, JWS_ALGORITHMS, type JwsAlgorithm } from './jws-algorithm.ts';
import { JwtSvidError, type JwtSvidErrorCode } from './jwt-svid-error.ts';
import { JsonError, type JsonObject, type JsonValue, parseStrictJson } from '../base/strict-json.ts';

/** The longest token that is read: twice what most HTTP servers accept as all headers together. */
export const MAX_JWT_SVID_CHARACTERS = 16_384;

const MAX_KEY_ID_CHARACTERS = 1024;
const MAX_DEPTH = 16;
const TYPES: readonly (JsonValue | undefined)[] = [undefined, 'JWT', 'JOSE'];
const HEADERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ']);

/** The content of a token, none of it proven. */
export interface JwtSvidToken {
  readonly algorithm: JwsAlgorithm;
  readonly keyId: string | undefined;
  readonly claims: JsonObject;
}

/**
 * Reads a JWS in compact serialization (RFC 7515 §7.1) with the header a JWT-SVID may have, and its
 * claims (JWT-SVID §2, §5.1; JWT-01, JWT-02, JWT-05, JWT-07). `alg` is looked at before anything
 * else the token says. Throws `JwtSvidError`: the codes with `token-` up to
 * `token-claims-malformed`.
 */
export function parseJwtSvidToken(token: string): JwtSvidToken {
  if (token.length > MAX_JWT_SVID_CHARACTERS) {
    throw new JwtSvidError(
      'token-too-large',
      `a JWT-SVID has at most ${MAX_JWT_SVID_CHARACTERS} characters, this one has ${token.length}`,
    );
  }
  const parts = token.split('.');
  const [headerBytes, claimsBytes, signature] = parts.map(decodeBase64url);
  if (parts.length !== 3 || !headerBytes?.length || !claimsBytes?.length || !signature) {
    throw new JwtSvidError(
      'token-not-compact',
      'a JWT-SVID is a JWS in compact serialization: three parts of base64url without padding, joined by dots',
    );
  }
  const header = readObject(headerBytes, 'token-header-malformed', 'header');
  const algorithm = header.get('alg');
  if (!isJwsAlgorithm(algorithm)) {
    throw new JwtSvidError(
      'token-algorithm',
      `a JWT-SVID is signed with one of ${JWS_ALGORITHMS}, not ${shown(algorithm)}`,
    );
  }
  if (signature.length === 0)
    throw new JwtSvidError('token-not-compact', 'the part for the signature is not empty');
  judgeType(header);
  judgeNames(header);
  return {
    algorithm,
    keyId: readKeyId(header),
    claims: readObject(claimsBytes, 'token-claims-malformed', 'claims'),
  };
}

function readObject(bytes: Uint8Array, code: JwtSvidErrorCode, what: string): JsonObject {
  try {
    const value = parseStrictJson(bytes, { maxBytes: MAX_JWT_SVID_CHARACTERS, maxDepth: MAX_DEPTH });
    if (value instanceof Map) return value;
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw new JwtSvidError(code, `the ${what} of the token could not be read: ${cause.message}`, { cause });
  }
  throw new JwtSvidError(code, `the ${what} of a token is a JSON object`);
}

function judgeType(header: JsonObject): void {
  const type = header.get('typ');
  if (TYPES.includes(type)) return;
  throw new JwtSvidError('token-type', `typ is JWT or JOSE where it is there, not ${shown(type)}`);
}

/**
 * Refuses every other header, a key above all. Because we must not obey it, refusing is safer than
 * ignoring it (RFC 7515 §4.1.11).
 */
function judgeNames(header: JsonObject): void {
  for (const name of header.keys()) {
    if (!HEADERS.has(name))
      throw new JwtSvidError(
        'token-header-parameter',
        `the header of a JWT-SVID has only alg, kid and typ, not ${shown(name)}`,
      );
  }
}

function readKeyId(header: JsonObject): string | undefined {
  const keyId = header.get('kid');
  if (keyId === undefined) return undefined;
  if (typeof keyId === 'string' && keyId !== '' && keyId.length <= MAX_KEY_ID_CHARACTERS) return keyId;
  throw new JwtSvidError('token-key-id', `kid is a text of 1 to ${MAX_KEY_ID_CHARACTERS} characters`);
}

/** A value from a token, short enough for a sentence. */
export function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : 'of another type';
}
