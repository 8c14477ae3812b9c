import type { Log, LogFields, LogLevel } from '../src/platform/index.ts';

export interface LogRecord {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** A log whose records can be asked for, by code and field; tests never go by the sentence. */
export function createRecordingLog(): Log & { readonly records: LogRecord[] } {
  const records: LogRecord[] = [];
  const make = (base: LogFields): Log => {
    const at =
      (level: LogLevel) =>
      (message: string, fields: LogFields = {}) => {
        records.push({ level, message, fields: { ...base, ...fields } });
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      with: (fields) => make({ ...base, ...fields }),
    };
  };
  return Object.assign(make({}), { records });
}
