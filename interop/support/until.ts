/** What takes longer than this hangs, unless something is known to be looked at more seldom. */
const PATIENCE_SECONDS = 30;

/** Asks again and again until `look` gives something other than undefined or false. Throws with what was waited for and the last error. */
export async function until<Found>(
  what: string,
  look: () => Found | Promise<Found>,
  patienceSeconds = PATIENCE_SECONDS,
): Promise<Exclude<Found, undefined | false>> {
  const deadline = performance.now() + patienceSeconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found as Exclude<Found, undefined | false>;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`, { cause: last });
    await new Promise((wait) => setTimeout(wait, 25));
  }
}

/** Throws with `what` should have been. */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`it should be that ${what}`);
}
