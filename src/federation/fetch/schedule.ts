import type { Random, TokenBucketSettings } from '../../platform/index.ts';

/** How often a peer is asked. All in milliseconds but the share. */
export interface ScheduleSettings {
  /** A hint below this is raised to it, so that a peer cannot make us hammer it. Default 5 s. */
  readonly floorMs: number;
  /** A hint above this is lowered to it, so that revocations are seen. Default 1 h. */
  readonly ceilingMs: number;
  /** Without a usable hint (TDB-13). Default 300 s. */
  readonly withoutHintMs: number;
  /** The largest share of the interval that chance takes off, 0 to 1 (FED-46). Default 0.1. */
  readonly jitterShare: number;
}

export const defaultScheduleSettings: ScheduleSettings = {
  floorMs: 5_000,
  ceilingMs: 3_600_000,
  withoutHintMs: 300_000,
  jitterShare: 0.1,
};

/**
 * The interval a bundle asks for: its hint, held between floor and ceiling (TDB-12); five minutes
 * without one (TDB-13, FED-44).
 */
export function pollIntervalMs(refreshHintSeconds: number | undefined, settings: ScheduleSettings): number {
  const hint = refreshHintSeconds ?? 0;
  const wishedMs = hint > 0 ? hint * 1000 : settings.withoutHintMs;
  return Math.min(Math.max(wishedMs, settings.floorMs), settings.ceilingMs);
}

/**
 * How long to wait after a poll that reached its endpoint. Chance only shortens the wait, so the
 * next poll is never later than the hint (FED-46).
 */
export function nextPollDelayMs(
  refreshHintSeconds: number | undefined,
  settings: ScheduleSettings,
  random: Random,
): number {
  const share = Math.min(Math.max(settings.jitterShare, 0), 1);
  return Math.round(pollIntervalMs(refreshHintSeconds, settings) * (1 - share * random.fraction()));
}

/**
 * The first retry after a failed poll; each further one waits twice as long, until the interval is
 * reached.
 */
const FIRST_RETRY_MS = 2000;
/** Retries of all peers together: so many at once, then one every 100 ms. */
export const retryRate: TokenBucketSettings = { most: 32, everyMs: 100 };

/**
 * How long to wait after the given number of failed polls in a row. A peer that restarts is back
 * within seconds, so the first retries come soon. A peer that stays away is asked at the interval
 * `regularMs`, as FED-45 wants it. Chance takes up to half off, so that peers which failed together
 * are not asked together.
 */
export function retryDelayMs(failures: number, regularMs: number, random: Random): number {
  const backoffMs = FIRST_RETRY_MS * 2 ** Math.min(Math.max(failures, 1) - 1, 30);
  if (backoffMs >= regularMs) return regularMs;
  return Math.round(backoffMs * (1 - 0.5 * random.fraction()));
}
