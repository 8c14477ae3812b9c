import { defined } from '../../objects/index.ts';
import { JwtSvidError } from './jwt-svid-error.ts';
import { shown } from './jwt-svid-token.ts';
import { parseSpiffeId, pathOf, type SpiffeId, SpiffeIdError } from '../id/spiffe-id.ts';
import { JsonNumber, type JsonObject } from '../base/strict-json.ts';

/**
 * The last second of the year 9999: no token lives longer, and every instant up to it is a `Date`.
 */
const MAX_SECONDS = 253_402_300_799;

/**
 * The workload a token is about: `sub` (JWT-08, JWT-09). Throws `JwtSvidError`: `id-invalid`,
 * `id-without-path`.
 */
export function readSubject(claims: JsonObject): SpiffeId {
  const subject = claims.get('sub');
  if (typeof subject !== 'string')
    throw new JwtSvidError('id-invalid', `sub is the SPIFFE ID of a workload, here it is ${shown(subject)}`);
  let id: SpiffeId;
  try {
    id = parseSpiffeId(subject);
  } catch (cause) {
    if (!(cause instanceof SpiffeIdError)) throw cause;
    throw new JwtSvidError('id-invalid', `the sub of the token is not a SPIFFE ID: ${cause.message}`, {
      cause,
    });
  }
  if (pathOf(id) === '')
    throw new JwtSvidError('id-without-path', `the ID of a workload has a path, ${id} has none`, {
      claimedId: id,
    });
  return id;
}

/** The times of a token, as it states them. */
export interface TokenTimes {
  readonly expiresAt: Date;
  readonly notBefore?: Date;
  readonly issuedAt?: Date;
}

/**
 * The times of a token, if it may be used at `now`: before `exp`, not before `nbf`, not before it
 * was issued, each with `leewaySeconds` (JWT-13, JWT-14; RFC 7519 §4.1.4 to §4.1.6). Throws
 * `JwtSvidError`: `expiry-missing`, `token-claims-malformed`, `token-expired`,
 * `token-not-yet-valid`, `token-issued-in-future`.
 */
export function judgeTimes(
  claims: JsonObject,
  claimedId: SpiffeId,
  { now, leewaySeconds }: { readonly now: Date; readonly leewaySeconds: number },
): TokenTimes {
  const refuse = (code: 'token-expired' | 'token-not-yet-valid' | 'token-issued-in-future', why: string) =>
    new JwtSvidError(code, `the token of ${claimedId} ${why}, now is ${now.toISOString()}`, { claimedId });
  const expiresAt = readInstant(claims, 'exp', claimedId);
  if (!expiresAt)
    throw new JwtSvidError('expiry-missing', `a JWT-SVID has exp, that of ${claimedId} has none`, {
      claimedId,
    });
  const notBefore = readInstant(claims, 'nbf', claimedId);
  const issuedAt = readInstant(claims, 'iat', claimedId);
  const leewayMs = leewaySeconds * 1000;
  // RFC 7519 §4.1.4: now must be before exp, so at that instant the token has expired.
  if (now.getTime() >= expiresAt.getTime() + leewayMs)
    throw refuse('token-expired', `expired at ${expiresAt.toISOString()}`);
  if (notBefore && now.getTime() < notBefore.getTime() - leewayMs)
    throw refuse('token-not-yet-valid', `is valid from ${notBefore.toISOString()} on`);
  if (issuedAt && now.getTime() < issuedAt.getTime() - leewayMs)
    throw refuse('token-issued-in-future', `says it was issued at ${issuedAt.toISOString()}`);
  return { expiresAt, ...defined({ notBefore, issuedAt }) };
}

/** A NumericDate (RFC 7519 §2): seconds, also with a fraction. */
function readInstant(claims: JsonObject, name: string, claimedId: SpiffeId): Date | undefined {
  const value = claims.get(name);
  if (value === undefined) return undefined;
  const seconds = value instanceof JsonNumber ? Number(value.source) : Number.NaN;
  if (seconds >= 0 && seconds <= MAX_SECONDS) return new Date(seconds * 1000);
  throw new JwtSvidError(
    'token-claims-malformed',
    `${name} is a number of seconds since 1970, up to the year 9999, unlike that of ${claimedId}`,
    { claimedId },
  );
}

/**
 * The audiences of a token. One of them must be exactly one of `expected` (JWT-10). Throws
 * `JwtSvidError`: `audience-missing`, `token-claims-malformed`, `audience-mismatch`.
 */
export function judgeAudience(
  claims: JsonObject,
  claimedId: SpiffeId,
  expected: readonly string[],
): readonly string[] {
  const value = claims.get('aud');
  const values = typeof value === 'string' ? [value] : value;
  if (values === undefined || (Array.isArray(values) && values.length === 0))
    throw new JwtSvidError('audience-missing', `a JWT-SVID has an audience, that of ${claimedId} has none`, {
      claimedId,
    });
  const audiences = Array.isArray(values) ? values.filter((each) => typeof each === 'string') : [];
  if (!Array.isArray(values) || audiences.length !== values.length) {
    throw new JwtSvidError(
      'token-claims-malformed',
      `aud is a text or an array of texts, unlike that of ${claimedId}`,
      { claimedId },
    );
  }
  if (audiences.some((each) => expected.includes(each))) return audiences;
  const meant = audiences.slice(0, 5).map((each) => shown(each));
  throw new JwtSvidError(
    'audience-mismatch',
    `the token of ${claimedId} is for ${meant.join(', ')}${audiences.length > meant.length ? ' and others' : ''}, not for ${expected.map((each) => shown(each)).join(' or ')}`,
    { claimedId },
  );
}
