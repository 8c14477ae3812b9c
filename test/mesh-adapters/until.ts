import { PATIENCE_MS } from '../../testkit/patience.ts';
import type { TestClock } from '../../testkit/test-clock.ts';

const STEP_MS = 250;

/**
 * Lets real sockets work and moves the clock on in small steps until the condition holds, so that pauses between tries
 * pass. Gives how many milliseconds of the clock that took.
 */
export async function untilHealed(
  clock: TestClock,
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<number> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let step = 0; performance.now() < deadline; step += 1) {
    if (await condition()) return step * STEP_MS;
    await letSocketsWork();
    if (await condition()) return step * STEP_MS;
    await clock.advance(STEP_MS);
  }
  throw new Error(`waited without success for ${what}`);
}

async function letSocketsWork(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
}
