import { spawnSync } from 'node:child_process';

/** How long an empty Node.js process takes on a machine of two idle cores. */
const QUICK_MS = 25;
const QUICK_PATIENCE_MS = 20_000;
/** A machine that is slower still gets no more: what takes longer hangs. */
const MOST = 10;
const ENVIRONMENT = 'FEDERATE_TEST_PATIENCE';

/**
 * How many times slower than a quick, idle machine this one is now, 1 at least. Measured once by the process that starts the tests; it
 * hands the number to the workers in the environment.
 */
export const slowness: number = slownessFrom(process.env[ENVIRONMENT]) ?? measure();

/** How long a test waits for a condition. It is far beyond every bound of the product, so what takes longer hangs. */
export const PATIENCE_MS: number = Math.round(QUICK_PATIENCE_MS * slowness);

/** How long a whole test may take: it may wait for several conditions. */
export const TEST_PATIENCE_MS: number = PATIENCE_MS * 12;

/** The environment of the workers, so that they do not measure again. */
export const patienceEnvironment: Readonly<Record<string, string>> = { [ENVIRONMENT]: String(slowness) };

function slownessFrom(text: string | undefined): number | undefined {
  const given = Number(text);
  return given >= 1 && given <= MOST ? given : undefined;
}

/** The time of the slowest of five empty processes: it contains the wait for a core of a busy machine. */
function measure(): number {
  let slowest = 0;
  for (let turn = 0; turn < 5; turn += 1) {
    const start = performance.now();
    spawnSync(process.execPath, ['-e', '']);
    slowest = Math.max(slowest, performance.now() - start);
  }
  return Math.min(MOST, Math.max(1, Math.round((slowest / QUICK_MS) * 10) / 10));
}
