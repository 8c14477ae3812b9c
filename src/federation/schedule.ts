import type { Random } from '../platform/index.ts';

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

/** The interval a bundle asks for: its hint, held between floor and ceiling (TDB-12); five minutes without one (TDB-13, FED-44). */
export function pollIntervalMs(refreshHintSeconds: number | undefined, settings: ScheduleSettings): number {
  const hint = refreshHintSeconds ?? 0;
  const wishedMs = hint > 0 ? hint * 1000 : settings.withoutHintMs;
  return Math.min(Math.max(wishedMs, settings.floorMs), settings.ceilingMs);
}

/**
 * How long to wait after a poll, whether it worked or not: a failure is no reason to ask more often (FED-45).
 * Chance only shortens the wait, so the next poll is never later than the hint (FED-46).
 */
export function nextPollDelayMs(
  refreshHintSeconds: number | undefined,
  settings: ScheduleSettings,
  random: Random,
): number {
  const share = Math.min(Math.max(settings.jitterShare, 0), 1);
  return Math.round(pollIntervalMs(refreshHintSeconds, settings) * (1 - share * random.fraction()));
}
