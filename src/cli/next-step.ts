import { systemEnvironment } from '../platform/index.ts';
import { type AgentOptions, DEFAULT_SOCKET } from './agent-options.ts';

/** What of the present call a printed command has to repeat. */
export type CalledWith = Pick<AgentOptions, 'socket'>;

/**
 * A command that the reader can run as it stands. Its words are quoted for a shell. It has
 * `--socket` where this call named an agent that the reader's shell does not name by itself.
 */
export function nextStep({ socket }: CalledWith, ...words: readonly string[]): string {
  const usual = systemEnvironment['FEDERATE_SOCKET'] ?? DEFAULT_SOCKET;
  const all = ['federate', ...words, ...(socket === usual ? [] : ['--socket', socket])];
  return shellWords(...all);
}

/** Words as one line that a shell reads as these words. */
export function shellWords(...words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
