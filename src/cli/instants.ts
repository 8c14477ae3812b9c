import { parseDurationMs, parseInstant } from '../platform/index.ts';
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
  throw new UsageError(`${option} takes an instant with its zone, such as 2026-11-22T08:00:00Z; ${why}`);
}

/** The duration that an option gives, in milliseconds above zero. Throws `UsageError`. */
export function durationOf(text: string, option: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms === 0)
    throw new UsageError(
      `${option} is a duration with its unit, such as 90m, 2h or 7d, which ${JSON.stringify(text)} is not`,
    );
  return ms;
}

/** The instant that lies so much after `now`. Throws `UsageError`. */
export function laterBy(text: string, option: string, now: Date): Date {
  const instant = new Date(now.getTime() + durationOf(text, option));
  if (Number.isNaN(instant.getTime())) throw new UsageError(`${option} reaches beyond what a calendar holds`);
  return instant;
}
