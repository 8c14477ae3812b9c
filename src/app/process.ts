import { createJsonLog } from '../telemetry/index.ts';
import {
  type Clock,
  describeError,
  type Environment,
  type Log,
  type LogLevel,
  type Random,
  systemClock,
  systemEnvironment,
  systemRandom,
} from '../platform/index.ts';

/** What every process is given: the real clock, chance, log and environment. Only this room knows them. */
export interface ProcessContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly environment: Environment;
}

/** Something that runs until it is stopped. */
export interface RunningPart {
  /** Ends it within the bounds of its config; nothing acknowledged is lost. */
  stop(): Promise<void>;
}

/**
 * Starts a part and keeps it until SIGTERM or SIGINT, then stops it; a second signal ends the process at once. An
 * error at start is the caller's; one that nobody caught later is logged and ends the process with exit code 1.
 */
export async function runUntilSignal(
  name: string,
  logLevel: LogLevel,
  start: (context: ProcessContext) => Promise<RunningPart>,
): Promise<void> {
  const log = createJsonLog(logLevel).with({ process: name });
  const fatal = (error: unknown) => {
    log.error('process failed', {
      error: describeError(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    process.exit(1);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  const part = await start({
    clock: systemClock,
    random: systemRandom,
    log,
    environment: systemEnvironment,
  });
  log.info('process ready', { pid: process.pid });
  const signal = await signalled;
  for (const again of ['SIGTERM', 'SIGINT'] as const) process.once(again, () => process.exit(1));
  log.info('process stopping', { signal });
  await part.stop();
  log.info('process stopped');
}
