/**
 * How an offered sequence stands to the one that counted when the held content came: a step as its
 * publisher takes them · a leap that a counter can hardly have made · far above it, but no later
 * than the time in seconds · far above both.
 */
export type NumberStep = 'ordinary' | 'leap' | 'by-clock' | 'beyond-reason';

/** Many changes since we last looked, or within one unit of time. */
const STEP = 1_000n;
/**
 * Numbers that are neither a plain counter nor the time, such as dates in digits, may leap so far.
 */
const LEAP = 1_000_000n;
/** Clocks differ by so much. */
const CLOCK_SKEW_SECONDS = 300n;
/**
 * A number up to so far ahead of the time is still one by the time, or small steps would lead out
 * of that rule.
 */
const CLOCK_AHEAD_SECONDS = 2_592_000n;
/** Seconds, milliseconds, microseconds and nanoseconds, as parts of a second. */
const CLOCK_UNITS = [1n, 1_000n, 1_000_000n, 1_000_000_000n];

/**
 * Judges the jump from `anchor` (absent: no number counted yet) to `offered`. Pure. Because
 * everything below the held number is refused, a number beyond reason would keep all later changes
 * out, revocations included. A publisher that numbers by the time may go on to the present time;
 * any other one may leap by a million or a thousandth. The time in seconds is always within reason:
 * a publisher that lost its counter begins there again.
 */
export function judgeNumber(anchor: bigint | undefined, offered: bigint, now: Date): NumberStep {
  const seconds = BigInt(Math.floor(now.getTime() / 1000));
  const from = anchor ?? 0n;
  const unit = CLOCK_UNITS.find(
    (each) => from >= (seconds * each) / 2n && from <= (seconds + CLOCK_AHEAD_SECONDS) * each,
  );
  const clock = (seconds + CLOCK_SKEW_SECONDS) * (unit ?? 1n);
  if (offered <= from + STEP || (unit !== undefined && offered <= clock)) return 'ordinary';
  if (unit === undefined && offered <= from + larger(LEAP, from / 1000n)) return 'leap';
  return unit === undefined && offered <= clock ? 'by-clock' : 'beyond-reason';
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
