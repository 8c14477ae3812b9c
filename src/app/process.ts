import {
  type Clock,
  createJsonLog,
  describeError,
  type JsonLog,
  type Log,
  type LogLevel,
  type Parts,
  pause,
  type ProcessContext,
  systemClock,
  systemEnvironment,
  systemLoad,
  systemRandom,
} from '../platform/index.ts';
import { createNotify, type Notify, reloading } from './service-manager.ts';
import { reportSlowStart } from './start-progress.ts';

/** One process as its config describes it. */
export interface ProcessPlan {
  /** Its name in log lines. */
  readonly name: string;
  readonly logLevel: LogLevel;
  /**
   * Fields of its first log line and of the line when it is ready: version, config and addresses.
   */
  readonly about: Readonly<Record<string, unknown>>;
  /** Builds its parts and starts none. */
  build(context: ProcessContext): Promise<Parts>;
  /** Called once, when the process is ready. */
  started?(): void;
  /**
   * Reads the config file again: the log level in it, and the other keys that have changed. Throws
   * `ConfigError`.
   */
  reread(): { readonly logLevel: LogLevel; readonly changed: readonly string[] };
}

/** What the operating system gives to a process. */
export interface Host {
  /** Calls back at each of these signals. */
  onSignal(signal: NodeJS.Signals, listener: () => void): void;
  /** Calls back with each uncaught error. */
  onFatal(listener: (error: unknown) => void): void;
  /** Ends the process now. */
  exit(code: number): void;
  /**
   * Ends the process with its exit code after some time, if something still keeps it running then.
   */
  exitIfKept(ms: number): void;
  /** Reaches the service manager that started the process. `failed` gets what was not sent. */
  notify(failed: (error: unknown) => void): Notify;
}

/** Time for the last output of the command, after everything has been stopped. */
const LEFT_OVER_MS = 1000;
/** Each part has a limit of its own. This time is for the work between the parts. */
const STOP_SLACK_MS = 5000;

const systemHost: Host = {
  onSignal: (signal, listener) => void process.on(signal, listener),
  onFatal: (listener) => {
    process.on('uncaughtException', listener);
    process.on('unhandledRejection', listener);
  },
  exit: (code) => process.exit(code),
  exitIfKept: (ms) => void setTimeout(() => process.exit(), ms).unref(),
  notify: (failed) => createNotify(systemEnvironment, failed),
};

/**
 * Runs a process until SIGTERM or SIGINT, then stops it; a signal during the start stops the
 * started parts. Ends the process with code 1 at a second signal, after a stop that failed or took
 * too long, and after an uncaught error. SIGHUP reads the config again and never ends the process.
 * Rejects with the error of a failed start, which is a log line too; nothing is left running then.
 */
export async function runUntilSignal(
  plan: ProcessPlan,
  host: Host = systemHost,
  clock: Clock = systemClock,
  jsonLog: JsonLog = createJsonLog(plan.logLevel),
): Promise<void> {
  const log = jsonLog.with({ process: plan.name });
  host.onFatal((error) => {
    log.error('process failed', {
      error: describeError(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    host.exit(1);
  });
  const notify = host.notify((error) =>
    log.warn('systemd was not notified', { error: describeError(error) }),
  );
  host.onSignal('SIGHUP', () => {
    notify(...reloading());
    notify('READY=1', `STATUS=${rereadConfig(plan, jsonLog, log)}`);
  });
  let signal: NodeJS.Signals | undefined;
  const signalled = new Promise<void>((resolve) => {
    for (const each of ['SIGTERM', 'SIGINT'] as const)
      host.onSignal(each, () => {
        if (signal !== undefined) host.exit(1);
        signal ??= each;
        resolve();
      });
  });

  log.info('process starting', plan.about);
  const building = plan.build({ clock, random: systemRandom, log, environment: systemEnvironment });
  let built: Parts | undefined;
  const starting = building.then((parts) => {
    built = parts;
    return signal === undefined ? parts.start() : undefined;
  });
  const started = new AbortController();
  void reportSlowStart({
    busyWith: () => built?.busyWith,
    clock,
    load: systemLoad,
    log,
    signal: started.signal,
  });
  try {
    await Promise.race([starting, signalled]).finally(() => started.abort());
    if (signal === undefined) {
      plan.started?.();
      log.info('process ready', { ...plan.about, pid: process.pid });
      notify('READY=1', 'STATUS=all parts have started');
    }
  } catch (error) {
    logFailedStart(log, error);
    host.exitIfKept(LEFT_OVER_MS);
    throw error;
  }
  await signalled;
  log.info('process stopping', { signal });
  notify('STOPPING=1');
  // A start that fails now is part of the stop.
  starting.catch(() => {});
  if (!(await stopInTime(building, clock, log))) host.exit(1);
  log.info('process stopped');
  host.exitIfKept(LEFT_OVER_MS);
}

/** One line for a process that could not start; it has the code and, of a config, every mistake. */
export function logFailedStart(log: Log, error: unknown): void {
  const { code } = describeError(error);
  const mistakes = error instanceof Error && 'mistakes' in error ? { mistakes: error.mistakes } : {};
  log.error('process could not start', { code, error: describeError(error), ...mistakes });
}

/** Whether all parts stopped, without an error and within the time that they may take. */
async function stopInTime(building: Promise<Parts>, clock: Clock, log: Log): Promise<boolean> {
  const over = new AbortController();
  let parts: Parts | undefined;
  const stopping = building.then(
    async (built) => {
      parts = built;
      await built.stop();
      return true;
    },
    (error: unknown) => {
      logFailedStart(log, error);
      return false;
    },
  );
  const late = async () => {
    if (!(await pause(clock, STOP_SLACK_MS, over.signal))) return false;
    if (await pause(clock, parts?.stopWithinMs ?? 0, over.signal))
      log.error('process did not stop in time', { busy_with: parts?.busyWith ?? 'building its parts' });
    return false;
  };
  try {
    return await Promise.race([stopping, late()]);
  } catch (error) {
    log.error('process did not stop in order', { error: describeError(error) });
    return false;
  } finally {
    over.abort();
  }
}

/**
 * Applies the log level of the config file. Other changes in it take effect after a restart, and
 * the log reports that. Returns the result, for the service manager.
 */
function rereadConfig(plan: ProcessPlan, jsonLog: JsonLog, log: Log): string {
  try {
    const { logLevel, changed } = plan.reread();
    jsonLog.setLevel(logLevel);
    log.info('config read again', { log_level: logLevel });
    if (changed.length === 0) return 'config read again';
    log.warn('the config has changed, and takes effect after a restart', { changed });
    return 'the config has changed, and takes effect after a restart';
  } catch (error) {
    log.error('config not usable, the old one stays', { error: describeError(error) });
    return 'config not usable, the old one stays';
  }
}
