import { PATIENCE_MS } from './patience.ts';

/** After so many turns of the event loop the wait sleeps between looks, so that it takes no processor time from what it waits for. */
const EAGER_TURNS = 1000;

/**
 * Gives pending work its turns until the condition holds. Throws after `PATIENCE_MS` with what it
 * waited for. A `pauseMs` is slept after every look, for a condition that other processes bring
 * about.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  { pauseMs }: { readonly pauseMs?: number } = {},
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let turn = 0; !(await condition()); turn += 1) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    if (pauseMs === undefined && turn < EAGER_TURNS) await new Promise((resolve) => setImmediate(resolve));
    else await new Promise((resolve) => setTimeout(resolve, pauseMs ?? 2));
  }
}
