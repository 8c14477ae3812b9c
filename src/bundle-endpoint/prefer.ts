/** The longest wait that is granted: past this a client is better off asking anew. */
export const LONGEST_WAIT_SECONDS = 300;

/**
 * A parameter list item `wait=N`; N may be quoted, and parameters of its own are of no interest
 * (RFC 7240 §2).
 */
const WAIT = /^wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))\s*(?:;.*)?$/i;

/**
 * How many seconds a client would rather wait for a change than be told that there is none (RFC
 * 7240 §4.3), at most `LONGEST_WAIT_SECONDS`; undefined where it does not say. Of several the first
 * counts, as RFC 7240 §2 has it.
 */
export function preferredWaitSeconds(prefer: string | undefined): number | undefined {
  for (const preference of prefer?.split(',') ?? []) {
    const [, quoted, plain] = WAIT.exec(preference.trim()) ?? [];
    const seconds = quoted ?? plain;
    if (seconds !== undefined) return Math.min(Number(seconds), LONGEST_WAIT_SECONDS);
  }
  return undefined;
}
