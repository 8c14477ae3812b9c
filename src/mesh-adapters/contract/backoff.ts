import type { Random } from '../../platform/index.ts';

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/**
 * Returns the wait before the next try: it doubles from half a second to half a minute, and its
 * upper half is random.
 */
export function backoffMs(failures: number, random: Random): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(Math.max(failures - 1, 0), 20));
  return whole / 2 + (whole / 2) * random.fraction();
}
