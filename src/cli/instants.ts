import { formatDurationMs, parseDurationMs, parseInstant } from '../platform/index.ts';
import { UsageError } from './terminal.ts';

/**
 * Reads the instant of an option: ISO 8601 with its zone, because a guess could be wrong. Throws
 * `UsageError`.
 */
export function instantOf(text: string, option: string): Date {
  const instant = parseInstant(text);
  if (instant) return instant;
  const isZoneless = parseInstant(`${text}Z`) ?? parseInstant(`${text}T00:00Z`);
  const why = isZoneless
    ? `${JSON.stringify(text)} names no zone: add Z for UTC, or an offset such as +01:00`
    : `${JSON.stringify(text)} is not one`;
  throw new UsageError(`${option} takes an instant with its zone, such as 2026-11-22T08:00:00Z; ${why}`, {
    code: 'option-invalid',
  });
}

/** The longest duration of an option: a hundred years. */
const LONGEST_MS = 36_525 * 86_400_000;

/**
 * The duration that an option gives, in milliseconds; at least `leastMs`, which is above zero.
 * Throws `UsageError`.
 */
export function durationOf(text: string, option: string, leastMs = 1): number {
  const refuse = (
    why: string,
    code: 'duration-invalid' | 'duration-too-long' = 'duration-invalid',
  ): never => {
    throw new UsageError(`${option} takes a duration such as 90m, 2h or 7d; ${JSON.stringify(text)} ${why}`, {
      code,
    });
  };
  const ms = parseDurationMs(text);
  const isTooLong = ms === undefined ? isDuration(text) : ms > LONGEST_MS;
  if (isTooLong) return refuse(`is longer than ${formatDurationMs(LONGEST_MS)}`, 'duration-too-long');
  if (ms === undefined) return refuse(/^\d+$/.test(text) ? 'names no unit: add s, m, h or d' : 'is not one');
  if (ms < leastMs) return refuse(`is shorter than ${formatDurationMs(leastMs)}`);
  return ms;
}

/** Whether the text has the form of a duration, whatever its length. */
function isDuration(text: string): boolean {
  return parseDurationMs(text.replaceAll(/\d+/g, '1')) !== undefined;
}

/** The instant that lies so much after `now`. Throws `UsageError`. */
export function laterBy(text: string, option: string, now: Date): Date {
  return new Date(now.getTime() + durationOf(text, option));
}

/** The whole number that an option gives, from 1 to `most`. Throws `UsageError`. */
export function countOf(text: string, option: string, most: number): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > most)
    throw new UsageError(
      `${option} takes a whole number from 1 to ${most}; ${JSON.stringify(text)} is not one`,
      { code: 'option-invalid' },
    );
  return count;
}
