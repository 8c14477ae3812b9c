import { defined } from '../../objects/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { NewVersion } from './bundle-version.ts';

const DEFAULT_LIMIT = 100;

/** The page a caller asked for. Throws `RangeError` for an invalid number. */
export function checkPage(page: { readonly limit?: number; readonly before?: number }): {
  limit: number;
  before: number;
} {
  const { limit = DEFAULT_LIMIT, before = Number.MAX_SAFE_INTEGER } = page;
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new RangeError(`a limit is a whole number above 0, not ${limit}`);
  if (!Number.isSafeInteger(before)) throw new RangeError(`a version number is whole, not ${before}`);
  return { limit, before };
}

/**
 * The page of the chain a caller asked for, from the first link on unless `after` is given. Throws
 * `RangeError`.
 */
export function checkLinkPage(page: { readonly limit?: number; readonly after?: number }): {
  limit: number;
  after: number;
} {
  const { after = 0 } = page;
  const { limit } = checkPage(defined({ limit: page.limit }));
  if (!Number.isSafeInteger(after) || after < 0)
    throw new RangeError(`a link's number is whole and not below 0, not ${after}`);
  return { limit, after };
}

/**
 * A bundle is kept under its own trust domain only (TDB-39). Throws `TypeError`, or `RangeError`
 * for a sequence beyond 64 bits.
 */
export function checkReplacement(input: {
  readonly trustDomain: TrustDomain;
  readonly version: NewVersion;
}): void {
  const { trustDomain, version } = input;
  if (version.bundle.trustDomain !== trustDomain) {
    throw new TypeError(
      `the bundle of ${version.bundle.trustDomain} cannot become the current one of ${trustDomain}`,
    );
  }
  checkSequence(version.bundle.sequence);
}

/** A sequence is an unsigned 64-bit integer (TDB §4.1.1). Throws `RangeError`. */
export function checkSequence(sequence: bigint | undefined): void {
  if (sequence !== undefined && (sequence < 0n || sequence > 2n ** 64n - 1n))
    throw new RangeError(`a sequence is from 0 to 2^64-1, not ${sequence}`);
}
