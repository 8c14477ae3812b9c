/**
 * How an offered sequence stands to the one that counted when the held content came: a step as its publisher takes them · far above
 * it, but no later than the time in seconds · far above both.
 */
export type NumberStep = 'ordinary' | 'by-clock' | 'beyond-reason';

/** A publisher that counts may have made so many changes since we last looked. */
const COUNTER_STEP = 1_000_000n;
/** One that numbers by the time stands at the time, or so far above its own last number. */
const CLOCK_STEP = 1_000n;
/** Clocks differ by so much. */
const CLOCK_SKEW_SECONDS = 300n;
/** A number up to so far ahead of the time is still one by the time, or small steps would lead out of that rule. */
const CLOCK_AHEAD_SECONDS = 2_592_000n;
/** Seconds, milliseconds, microseconds and nanoseconds, as parts of a second. */
const CLOCK_UNITS = [1n, 1_000n, 1_000_000n, 1_000_000_000n];

/**
 * Judges the jump from `anchor` (absent: no number counted yet) to `offered`. Pure. Because everything below the held number is refused,
 * a number beyond reason would keep all later changes out, revocations included. A publisher that numbers by the time may go on to the
 * present time; any other one may go a million or a thousandth further. The time in seconds is always within reason: a publisher that
 * lost its counter begins there again.
 */
export function judgeNumber(anchor: bigint | undefined, offered: bigint, now: Date): NumberStep {
  const seconds = BigInt(Math.floor(now.getTime() / 1000));
  if (offered <= ordinaryLimit(anchor ?? 0n, seconds)) return 'ordinary';
  return offered <= seconds + CLOCK_SKEW_SECONDS ? 'by-clock' : 'beyond-reason';
}

function ordinaryLimit(anchor: bigint, seconds: bigint): bigint {
  const unit = CLOCK_UNITS.find(
    (each) => anchor >= (seconds * each) / 2n && anchor <= (seconds + CLOCK_AHEAD_SECONDS) * each,
  );
  if (unit === undefined) return anchor + larger(COUNTER_STEP, anchor / 1000n);
  return larger(anchor + CLOCK_STEP, (seconds + CLOCK_SKEW_SECONDS) * unit);
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
