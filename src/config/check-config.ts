import { systemClock } from '../platform/index.ts';
import { ConfigError, invalidConfig } from './config-error.ts';
import { type ConfigKind, configSchemas } from './config-kinds.ts';
import { readConfigText } from './config-text.ts';
import { mistakesOf } from './mistakes.ts';
import { namedFiles } from './named-files.ts';
import { placed, readConfig } from './read-config.ts';

/** Something about a good config that its writer should know. */
export interface ConfigNote {
  readonly level: string;
  readonly code: string;
  readonly message: string;
}

/** How a config is checked. */
export interface CheckOptions {
  /** Checks the text alone. */
  readonly withoutFiles?: boolean;
  /** What will be in the file, for a file that is not written yet. */
  readonly content?: string | undefined;
  readonly now?: Date;
}

/**
 * Checks one config file as a whole, including the files that it names unless `withoutFiles`;
 * starts nothing. Returns notes that are not mistakes. Rejects with `ConfigError` with every
 * mistake, also where the times of the config cannot work together.
 */
export async function checkConfigWithFiles(
  kind: ConfigKind,
  file: string,
  { withoutFiles = false, content, now = systemClock.now() }: CheckOptions = {},
): Promise<readonly ConfigNote[]> {
  const text = readConfigText(file, configSchemas[kind], content);
  const mistakes = [...mistakesOf(configSchemas[kind], text.value)];
  const notes: ConfigNote[] = [];
  if (mistakes.length === 0 && kind === 'agent') {
    const { planOfConfig } = await import('./rotation-plan.ts');
    try {
      notes.push(...planOfConfig(readConfig(file, configSchemas.agent, content)));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      mistakes.push(...error.mistakes.map(({ path, message }) => ({ path: path.split('.'), message })));
    }
  }
  if (!withoutFiles) {
    const { checkNamedFiles } = await import('./check-named-files.ts');
    const found = await checkNamedFiles(namedFiles(kind, text.value), now);
    mistakes.push(...found.mistakes);
    notes.push(...found.notes.map((note) => ({ level: 'warning', ...note })));
  }
  if (mistakes.length > 0) throw invalidConfig(file, placed(text, mistakes));
  return notes;
}
