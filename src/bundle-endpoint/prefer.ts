/** The longest wait that is granted. After that a client does better to ask again. */
export const LONGEST_WAIT_SECONDS = 300;

/**
 * A parameter list item `wait=N`. N may be quoted, and its own parameters are ignored (RFC 7240
 * §2).
 */
const WAIT = /^wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))\s*(?:;.*)?$/i;

/**
 * How many seconds a client is willing to wait for a change (RFC 7240 §4.3), at most
 * `LONGEST_WAIT_SECONDS`. Undefined where it does not say. Of several values the first counts (RFC
 * 7240 §2).
 */
export function preferredWaitSeconds(prefer: string | undefined): number | undefined {
  for (const preference of prefer?.split(',') ?? []) {
    const [, quoted, plain] = WAIT.exec(preference.trim()) ?? [];
    const seconds = quoted ?? plain;
    if (seconds !== undefined) return Math.min(Number(seconds), LONGEST_WAIT_SECONDS);
  }
  return undefined;
}
