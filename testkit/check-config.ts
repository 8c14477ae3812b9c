import { type ConfigKind, configSchemas, readConfig } from '../src/config/index.ts';

/**
 * Reads and checks the text of one config file, and opens nothing else. Throws `ConfigError` with
 * every mistake.
 */
export function checkConfig(kind: ConfigKind, file: string): void {
  readConfig(file, configSchemas[kind]);
}
