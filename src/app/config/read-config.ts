import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { CodedError } from '../../spiffe/index.ts';

export type ConfigErrorCode = 'config-unreadable' | 'config-not-yaml' | 'config-invalid';

/** One mistake in a config file. */
export interface ConfigMistake {
  /** The field, such as `mesh.kubernetes.kubeconfig` or `routes[2].to`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A config file that cannot be used; `mistakes` holds all of them, not only the first. */
export class ConfigError extends CodedError<ConfigErrorCode> {
  readonly mistakes: readonly ConfigMistake[];

  constructor(
    code: ConfigErrorCode,
    message: string,
    mistakes: readonly ConfigMistake[],
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.mistakes = mistakes;
  }
}

/** A checked config and the folder its relative paths start from. */
export interface LoadedConfig<Config> {
  readonly config: Config;
  readonly file: string;
  readonly folder: string;
}

/** More than any sensible config; a larger file is a mistake in the path. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Reads and checks one YAML file as a whole: unknown keys are refused and every mistake is told with its path.
 * Throws `ConfigError`: `config-unreadable`, `config-not-yaml`, `config-invalid`.
 */
export function readConfig<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
): LoadedConfig<z.output<Schema>> {
  const value = parseYaml(file, readText(file));
  const result = schema.safeParse(value);
  if (!result.success) {
    const all = result.error.issues.flatMap(tellIssue);
    // What is wrong with a field first is what to put right first.
    const mistakes = all.filter(({ path }, index) => all.findIndex((each) => each.path === path) === index);
    throw new ConfigError(
      'config-invalid',
      `the config ${file} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}`,
      mistakes,
      { cause: result.error },
    );
  }
  return { config: result.data, file: resolve(file), folder: dirname(resolve(file)) };
}

function readText(file: string): string {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > MAX_CONFIG_BYTES) throw new RangeError(`it is larger than ${MAX_CONFIG_BYTES} bytes`);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('config-unreadable', `reading the config ${file} failed: ${why}`, [], { cause });
  }
}

function parseYaml(file: string, text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const notYaml = (mistakes: readonly ConfigMistake[], cause?: unknown) =>
    new ConfigError('config-not-yaml', `the config ${file} is not YAML`, mistakes, { cause });
  if (document.errors.length > 0) {
    throw notYaml(
      document.errors.map((error) => ({
        path: `line ${lines.linePos(error.pos[0]).line}`,
        message: error.message.split('\n')[0] ?? '',
      })),
    );
  }
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    // Aliases are only followed here: one that leads nowhere, or too many of them.
    throw notYaml([{ path: '', message: cause instanceof Error ? cause.message : String(cause) }], cause);
  }
}

function tellIssue(issue: z.core.$ZodIssue): ConfigMistake[] {
  if (issue.code === 'invalid_union') {
    // The variant that knows every key is the one that was meant.
    const [meant, ...others] = issue.errors.filter(
      (variant) => !variant.some(({ code }) => code === 'unrecognized_keys'),
    );
    if (meant && others.length === 0)
      return meant.flatMap((each) => tellIssue({ ...each, path: [...issue.path, ...each.path] }));
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: pathText([...issue.path, key]),
      message: 'there is no such key',
    }));
  }
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) {
    return [{ path: pathText(issue.path), message: 'is missing' }];
  }
  return [{ path: pathText(issue.path), message: issue.message }];
}

function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}
