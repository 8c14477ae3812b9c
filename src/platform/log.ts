import { defined, given } from '../objects/index.ts';
export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/**
 * Where a room reports what happened: a fixed message, the data in fields. A room never decides
 * where it goes.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to every record. */
  with(fields: LogFields): Log;
}

/** A log that discards its records, for one-shot commands and tests that do not read it. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => silentLog,
};

/** An error as data: `code`, `message` and the chain of causes, newest first. */
export function describeError(error: unknown): { code?: string; message: string; cause?: unknown } {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const cause = defined({ cause: given(error.cause, describeError) });
  return { ...code, message: error.message.trimEnd(), ...cause };
}
