import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';

/** The environment of the process, by name of the variable. */
export type Environment = Readonly<Record<string, string | undefined>>;

export const systemEnvironment: Environment = process.env;

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
