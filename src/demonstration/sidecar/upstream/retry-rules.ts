import { CodedError } from '../../../errors/index.ts';
import type { Random } from '../../../platform/index.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { isBodiless, type Outcome } from '../exchange/forward.ts';
import type { BudgetSettings } from './retry-budget.ts';

/** Which requests are tried again, and how often. */
export interface RetrySettings {
  /** Attempts after the first one. */
  readonly attempts: number;
  /** Answers after which an idempotent request is tried again. */
  readonly statuses: ReadonlySet<number>;
  /** The longest wait before the first retry; doubled with each further one. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly budget: BudgetSettings;
}

/** RFC 9110 §9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** The reason is on our side, or the time is over: another attempt would end the same way. */
const FINAL = new Set([
  'no-svid',
  'no-trust',
  'request-malformed',
  'request-timeout',
  'peer-silent',
  'answer-malformed',
  'max-pending-reached',
]);

/** Whether the whole request can be sent a second time without harm. */
export function isRepeatable({ incoming }: Exchange, body: Buffer | undefined): boolean {
  return IDEMPOTENT.has(incoming.method ?? '') && (body !== undefined || isBodiless(incoming.headers));
}

/**
 * Whether a failed attempt may be followed by another one: any request before its first byte was
 * sent, later only one that is repeatable. Pure.
 */
export function mayFollow(
  { error, wasSent }: Extract<Outcome, { kind: 'failed' }>,
  repeatable: boolean,
): boolean {
  if (FINAL.has(codeOf(error))) return false;
  return !wasSent || repeatable;
}

/** The wait before a retry, by chance up to the limit (1 is the first retry). */
export function backoffMs(
  { backoffMs: base, maxBackoffMs }: RetrySettings,
  retry: number,
  random: Random,
): number {
  return random.fraction() * Math.min(maxBackoffMs, base * 2 ** (retry - 1));
}

function codeOf(error: Error): string {
  return error instanceof CodedError ? error.code : '';
}
