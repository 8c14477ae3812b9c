import { StatementError } from './signed-statement-error.ts';
import type { SpiffeId } from '../id/spiffe-id.ts';
import { JsonNumber, type JsonObject } from '../base/strict-json.ts';

/** Clocks of two agents may differ by this much. */
const LEEWAY_MS = 60_000;
/** The last second of the year 9999. */
const MAX_SECONDS = 253_402_300_799n;

/**
 * A claim that is a whole number of seconds since 1970. Throws `StatementError`
 * `statement-malformed`.
 */
export function readInstant(claims: JsonObject, name: 'iat' | 'exp'): Date {
  const value = claims.get(name);
  const seconds = value instanceof JsonNumber ? value.integer : undefined;
  if (seconds !== undefined && seconds >= 0n && seconds <= MAX_SECONDS)
    return new Date(Number(seconds) * 1000);
  throw new StatementError(
    'statement-malformed',
    `the statement cannot be read: ${name} is not a whole number of seconds since 1970`,
  );
}

/**
 * Throws `StatementError` `statement-expired`, `statement-from-the-future`, with a minute of leeway
 * for clocks that differ.
 */
export function judgeStatementTimes(times: {
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly now: Date;
  readonly signer: SpiffeId;
}): void {
  const { issuedAt, expiresAt, now, signer } = times;
  const at = now.getTime();
  if (Number.isNaN(at)) throw new RangeError('now is an instant, not an invalid date');
  if (expiresAt < issuedAt || at < issuedAt.getTime() - LEEWAY_MS)
    throw new StatementError(
      'statement-from-the-future',
      `the statement of ${signer} says it was made at ${issuedAt.toISOString()}, now is ${now.toISOString()}`,
    );
  if (at >= expiresAt.getTime() + LEEWAY_MS)
    throw new StatementError(
      'statement-expired',
      `the statement of ${signer} ended at ${expiresAt.toISOString()}, now is ${now.toISOString()}`,
    );
}
