import type { BundleSource, JwtAuthority, TrustBundle } from '../bundle/bundle.ts';
import { contentDigest } from '../bundle/bundle-diff.ts';
import { fitsAlgorithm, type JwsAlgorithm } from './jws-algorithm.ts';
import { isSignedBy, jwtKeyRefusal } from './jws-signature.ts';
import { judgeAudience, judgeTimes, readSubject, type TokenTimes } from './jwt-svid-claims.ts';
import { JwtSvidError, type JwtSvidErrorCode } from './jwt-svid-error.ts';
import { type JwtSvidToken, parseJwtSvidToken, shown } from './jwt-svid-token.ts';
import { type SpiffeId, trustDomainOf } from '../id/spiffe-id.ts';
import type { JsonObject } from '../base/strict-json.ts';
import type { TrustDomain } from '../id/trust-domain.ts';

/**
 * Most signatures checked for one token, because a token without `kid` may be signed by any fitting
 * key.
 */
export const MAX_KEYS_TRIED = 100;

/** The largest difference of clocks, which is also the default (JWT-13). */
const MAX_LEEWAY_SECONDS = 60;

/**
 * A proven JWT-SVID. Its bearer is not proven to be the workload, because a token is a bearer
 * token.
 */
export interface JwtSvid extends TokenTimes {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** Everyone the token is for; at least one of the expected audiences is among them. */
  readonly audiences: readonly string[];
  readonly algorithm: JwsAlgorithm;
  /** The key that made the signature. */
  readonly authority: JwtAuthority;
  /** `contentDigest` of the bundle that proved it. */
  readonly bundleDigest: string;
  /** All claims. The meaning of further claims is defined by the trust domain (ID-23, JWT-17). */
  readonly claims: JsonObject;
}

export interface JwtSvidOptions {
  readonly now: Date;
  /**
   * The validator's audiences: one of these must be among the token's audiences. At least one, none
   * empty (JWT-11).
   */
  readonly audiences: readonly string[];
  /** 0 to 60, default 60 (JWT-13). */
  readonly leewaySeconds?: number;
}

/** The content of a JWT-SVID without its proof. */
export interface UnprovenJwtSvid extends TokenTimes {
  readonly id: SpiffeId;
  readonly audiences: readonly string[];
}

/**
 * Reads a JWT-SVID of our own, just received from a Workload API: all of `verifyJwtSvid` but the
 * signature. Never use it for a token that a caller presents. Throws `JwtSvidError`, and `TypeError`
 * or `RangeError` for invalid options.
 */
export function readUnprovenJwtSvid(token: string, options: JwtSvidOptions): UnprovenJwtSvid {
  const { now, audiences, leewaySeconds } = checkedOptions(options);
  const { claims } = parseJwtSvidToken(token);
  const id = readSubject(claims);
  const times = judgeTimes(claims, id, { now, leewaySeconds });
  return { id, audiences: judgeAudience(claims, id, audiences), ...times };
}

/**
 * Proves a JWT-SVID in compact serialization with the JWT authorities of the bundle of the trust
 * domain in its own `sub`. No other key counts, least of all one in the token (JWT-SVID §4; JWT-01
 * to JWT-17). The signature is checked before times and audience, so that errors about these
 * concern a genuine token. Rejects with `JwtSvidError`, and with `TypeError` or `RangeError` for
 * invalid options.
 */
export async function verifyJwtSvid(
  token: string,
  source: BundleSource,
  options: JwtSvidOptions,
): Promise<JwtSvid> {
  const { now, audiences, leewaySeconds } = checkedOptions(options);
  const read = parseJwtSvidToken(token);
  const { algorithm, claims } = read;
  const id = readSubject(claims);
  const bundle = bundleFor(id, source);
  const authority = await findSigner(token, read, candidatesFor(read, bundle, id));
  if (!authority) {
    throw new JwtSvidError(
      'signature-invalid',
      `no JWT authority of trust domain ${bundle.trustDomain} made the signature of this token, which claims to be of ${id}`,
      { claimedId: id },
    );
  }
  const times = judgeTimes(claims, id, { now, leewaySeconds });
  return {
    id,
    trustDomain: bundle.trustDomain,
    audiences: judgeAudience(claims, id, audiences),
    ...times,
    algorithm,
    authority,
    bundleDigest: contentDigest(bundle),
    claims,
  };
}

function checkedOptions({
  now,
  audiences,
  leewaySeconds = MAX_LEEWAY_SECONDS,
}: JwtSvidOptions): Required<JwtSvidOptions> {
  if (audiences.length === 0 || audiences.includes(''))
    throw new TypeError('a validator of JWT-SVIDs has at least one audience of its own, and none is empty');
  if (!(leewaySeconds >= 0 && leewaySeconds <= MAX_LEEWAY_SECONDS))
    throw new RangeError(
      `the leeway is from 0 to ${MAX_LEEWAY_SECONDS} seconds, ${leewaySeconds} is outside`,
    );
  // Compared with an invalid date, no token would ever expire.
  if (Number.isNaN(now.getTime())) throw new RangeError('now is an instant, not an invalid date');
  return { now, audiences, leewaySeconds };
}

function bundleFor(id: SpiffeId, source: BundleSource): TrustBundle {
  const trustDomain = trustDomainOf(id);
  const bundle = source.bundleFor(trustDomain);
  if (!bundle) {
    throw new JwtSvidError(
      'no-bundle',
      `there is no bundle for trust domain ${trustDomain}, which ${id} belongs to`,
      { claimedId: id },
    );
  }
  if (bundle.trustDomain !== trustDomain) {
    throw new TypeError(
      `the bundle source answered for ${trustDomain} with the bundle of ${bundle.trustDomain}`,
    );
  }
  return bundle;
}

/**
 * The keys that may have made the signature: those of the token's `kid` alone if it has one, else
 * all that fit (JWT-04).
 */
function candidatesFor(
  { algorithm, keyId }: JwtSvidToken,
  { trustDomain, jwtAuthorities }: TrustBundle,
  claimedId: SpiffeId,
): readonly JwtAuthority[] {
  const refuse = (code: JwtSvidErrorCode, message: string) => new JwtSvidError(code, message, { claimedId });
  if (jwtAuthorities.length === 0)
    throw refuse('no-authority', `the bundle of trust domain ${trustDomain} has no JWT authority`);
  const named = jwtAuthorities.filter((authority) => keyId === undefined || authority.keyId === keyId);
  if (named.length === 0) {
    throw refuse(
      'key-unknown',
      `the bundle of trust domain ${trustDomain} has no JWT authority with the kid ${shown(keyId)}`,
    );
  }
  const whose = keyId === undefined ? `of trust domain ${trustDomain}` : `${shown(keyId)} of ${trustDomain}`;
  // RFC 7517 §4.4: a key that names an algorithm is for that one only.
  const fitting = named.filter(
    (authority) =>
      fitsAlgorithm(authority.jwk, algorithm) &&
      (authority.algorithm === undefined || authority.algorithm === algorithm),
  );
  if (fitting.length === 0)
    throw refuse('key-unfit', `the token is signed with ${algorithm}, which no JWT key ${whose} is for`);
  if (fitting.length > MAX_KEYS_TRIED) {
    throw refuse(
      'too-many-keys',
      `at most ${MAX_KEYS_TRIED} keys are tried for a token, but ${fitting.length} JWT keys ${whose} could have made this one`,
    );
  }
  const usable = fitting.filter((authority) => jwtKeyRefusal(authority) === undefined);
  if (usable.length > 0) return usable;
  const why = fitting.map(jwtKeyRefusal).find((reason) => reason !== undefined);
  throw refuse('key-refused', `no JWT key ${whose} may check signatures: ${why}`);
}

async function findSigner(
  token: string,
  { algorithm }: JwtSvidToken,
  candidates: readonly JwtAuthority[],
): Promise<JwtAuthority | undefined> {
  // One after the other: a token from outside must not fill all threads at once.
  for (const authority of candidates) if (await isSignedBy(token, algorithm, authority)) return authority;
  return undefined;
}
