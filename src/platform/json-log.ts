import { createRequire } from 'node:module';
import type { Level } from 'pino';
import { describeError, type Log, type LogFields, type LogLevel } from './log.ts';
import { printableJson } from './printable.ts';

/**
 * Loads pino when the first log is made: a command that only asks a running agent does not pay for
 * it.
 */
const load = createRequire(import.meta.url);

/** A log of lines of JSON, whose level can change while it is used. */
export interface JsonLog extends Log {
  /**
   * Writes records from this level up from now on, also those of logs that were made `with` fields.
   */
  setLevel(level: LogLevel): void;
}

const RANKS: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/**
 * A log that writes one line of JSON per record to standard error, from `level` up. Names of fields
 * are written in snake_case, whatever the names of the values in the program: `trustDomain` is
 * written as `trust_domain`.
 */
export function createJsonLog(level: LogLevel): JsonLog {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the package and its types have one name
  const { destination, pino } = load('pino') as typeof import('pino');
  const threshold = { level };
  const root = pino(
    {
      // Each record is compared with `threshold` before it comes here.
      level: 'debug',
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // Values come from peers, and people read logs on a terminal.
      hooks: { streamWrite: printableJson },
    },
    destination({ dest: 2, sync: true }),
  );
  return {
    ...wrap(root, threshold),
    setLevel: (changed) => {
      threshold.level = changed;
    },
  };
}

interface Sink {
  child(fields: object): Sink;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

function wrap(sink: Sink, threshold: { readonly level: LogLevel }): Log {
  const at =
    (level: Extract<Level, LogLevel>) =>
    (message: string, fields: LogFields = {}) => {
      if (RANKS[level] >= RANKS[threshold.level]) sink[level](writtenFields(fields), message);
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (fields) => wrap(sink.child(writtenFields(fields)), threshold),
  };
}

/** How deep in a field names are converted; deeper ones stay as they are. */
const DEPTH = 4;

/**
 * Fields as they are written: names in snake_case at every level, an error as its code, its
 * sentence and its causes, a 64-bit number as decimal text. The stack is kept out of ordinary
 * records.
 */
export function writtenFields(fields: LogFields, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [snakeCase(name), written(value, depth)]),
  );
}

function written(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return describeError(value);
  if (depth >= DEPTH || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each: unknown) => written(each, depth + 1));
  return Object.getPrototypeOf(value) === Object.prototype ? writtenFields({ ...value }, depth + 1) : value;
}

/**
 * Only names of the program's own form change: a trust domain or a path that is a name in a map
 * stays as it is.
 */
function snakeCase(name: string): string {
  if (!/^[a-z][A-Za-z0-9]*$/.test(name)) return name;
  return name.replace(/([a-z0-9])([A-Z]+)/g, '$1_$2').toLowerCase();
}
