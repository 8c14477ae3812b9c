import { CodedError } from '../errors/index.ts';

export type ConfigErrorCode = 'config-unreadable' | 'config-not-yaml' | 'config-invalid';

/** One mistake in a config file. */
export interface ConfigMistake {
  /**
   * The field, such as `mesh.kubernetes.kubeconfig` or `routes[2].to`; empty for the file as a
   * whole.
   */
  readonly path: string;
  /** The line of the file, counted from 1, where it is known. */
  readonly line?: number;
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

/** The refusal of a config with these mistakes, at least one. */
export function invalidConfig(
  file: string,
  mistakes: readonly ConfigMistake[],
  options?: ErrorOptions,
): ConfigError {
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
  return new ConfigError('config-invalid', `the config ${file} has ${count}`, mistakes, options);
}

/** A path as the operator would write it: `routes[2].to`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}
