import type { Clock } from './clock.ts';
import type { Environment } from './environment.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';

/**
 * The input of every process: the real clock, chance, log and environment. Only `app` picks the
 * real ones.
 */
export interface ProcessContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly environment: Environment;
}
