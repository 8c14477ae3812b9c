import type { Command } from 'commander';
import { type AgentOptions, agentFor, DEFAULT_SOCKET } from '../agent-options.ts';
import { type Environment, pause } from '../../platform/index.ts';
import type { Terminal } from '../terminal.ts';
import { complete } from './complete.ts';
import { valuesOf } from './values.ts';

/** As long as a reader who has pressed the tab key waits for an agent. */
const PATIENCE_MS = 800;

/** Prints what can stand in the place of the last word, for the scripts. Never rejects. */
export async function answerCompletion(
  program: Command,
  words: readonly string[],
  terminal: Terminal,
  environment: Environment,
): Promise<void> {
  const end = new AbortController();
  const limit = pause(terminal.clock, PATIENCE_MS, end.signal).then(() => end.abort());
  const ask = valuesOf(({ values }) => {
    const socket = values.get('--socket') ?? environment['FEDERATE_SOCKET'] ?? DEFAULT_SOCKET;
    const options: AgentOptions = { socket: withHome(socket, environment), output: 'text' };
    return agentFor(options, { timeoutMs: PATIENCE_MS, signal: end.signal });
  });
  try {
    const found = await complete(program, words, ask);
    const lines =
      found.kind === 'files' ? [] : found.words.map(({ value, help }) => `${value}\t${help ?? ''}`);
    terminal.out([found.kind, ...lines].join('\n'));
  } catch {
    // A completion says nothing rather than something about itself.
  } finally {
    end.abort();
    await limit;
  }
}

/** A shell gives the words as they were typed, so nothing has replaced `~`. */
function withHome(path: string, { HOME: home }: Environment): string {
  return home !== undefined && path.startsWith('~/') ? home + path.slice(1) : path;
}
