import type { z } from 'zod';
import { defined } from '../objects/index.ts';
import { type ConfigMistake, invalidConfig, pathText } from './config-error.ts';
import { type ConfigText, readConfigText } from './config-text.ts';
import { type FieldMistake, mistakesOf } from './mistakes.ts';

/** A checked config. Every path in it is absolute. */
export interface LoadedConfig<Config> {
  readonly config: Config;
  readonly file: string;
}

/**
 * Reads and checks one YAML file as a whole, or `content` for what will be in it. Unknown keys are
 * refused, and every mistake is named with its path and line. Paths become absolute. Throws
 * `ConfigError`: `config-unreadable`, `config-not-yaml`, `config-invalid`.
 */
export function readConfig<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  content?: string,
): LoadedConfig<z.output<Schema>> {
  const text = readConfigText(file, schema, content);
  const result = schema.safeParse(text.value);
  if (!result.success)
    throw invalidConfig(file, placed(text, mistakesOf(schema, text.value)), { cause: result.error });
  return { config: result.data, file: text.file };
}

/** Mistakes with their lines, in the order of the file; those without a line come first. */
export function placed(text: ConfigText, mistakes: readonly FieldMistake[]): ConfigMistake[] {
  return mistakes
    .map(({ path, message }) => {
      const line = text.lineOf(path);
      return { path: pathText(path), ...defined({ line }), message };
    })
    .toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
}
