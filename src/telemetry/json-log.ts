import { destination, type Level, pino } from 'pino';
import { describeError, type Log, type LogFields, type LogLevel } from '../platform/index.ts';

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
