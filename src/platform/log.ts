import { destination, type Level, pino } from 'pino';

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where a room says what happened: a fixed message, the data in fields. A room never decides where it goes. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to every record. */
  with(fields: LogFields): Log;
}

/** A log that writes one line of JSON per record to standard error, from `level` up. */
export function createJsonLog(level: LogLevel): Log {
  const root = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // 64-bit sequences are bigint, which JSON has no form for.
      serializers: { sequence: (value: unknown) => (typeof value === 'bigint' ? value.toString() : value) },
    },
    destination({ dest: 2, sync: true }),
  );
  return wrap(root);
}

/** A log that keeps nothing, for one-shot commands and tests that do not look. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => silentLog,
};

interface Sink {
  child(fields: object): Sink;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

function wrap(sink: Sink): Log {
  const at =
    (level: Extract<Level, LogLevel>) =>
    (message: string, fields: LogFields = {}) =>
      sink[level](withErrors(fields), message);
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (fields) => wrap(sink.child(withErrors(fields))),
  };
}

/** An error becomes its code, its sentence and its causes; the stack is kept out of ordinary records. */
function withErrors(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error ? describeError(value) : value,
    ]),
  );
}

/** An error as data: `code`, `message` and the chain of causes, newest first. */
export function describeError(error: unknown): { code?: string; message: string; cause?: unknown } {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { ...code, message: error.message.trimEnd(), ...cause };
}
