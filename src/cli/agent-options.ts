import { userInfo } from 'node:os';
import { type Command, Option } from 'commander';
import { type AdminClient, createAdminClient } from '../admin-client/index.ts';
import { defined } from '../objects/index.ts';
import { type Environment, systemEnvironment, systemRandom } from '../platform/index.ts';
import { cleanIn, OUTPUT_FORMATS, type OutputFormat } from './terminal.ts';
import { COLOR_CHOICES } from './view.ts';

/** The options every verb has that asks the agent. */
export interface AgentOptions {
  readonly socket: string;
  readonly output: OutputFormat;
}

export const DEFAULT_SOCKET = '/run/federate/admin.sock';

/** Adds what changes the look of the output: `--quiet`, `--utc` and `--color`. */
export function withDisplay(command: Command): Command {
  return command
    .addOption(display('-q, --quiet', 'print results and errors, and nothing about the progress'))
    .addOption(display('--utc', 'show times in UTC instead of the zone of this machine'))
    .addOption(
      display('--color <when>', 'colours: auto is for terminals that know them').choices(COLOR_CHOICES),
    );
}

function display(flags: string, description: string): Option {
  return new Option(flags, description).helpGroup('Display options:');
}

/** Collects an option that may be given several times, in the order of the words. */
export function eachOf(word: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), word];
}

/** Adds `--output` and what changes its look. */
export function withOutput(command: Command): Command {
  return withDisplay(
    command.addOption(
      new Option('-o, --output <format>', 'text for people, json or yaml for programs')
        .choices(OUTPUT_FORMATS)
        .default('text'),
    ),
  );
}

/** Adds `--socket` and `--output`. */
export function withAgent(command: Command): Command {
  return withOutput(command).addOption(
    new Option('-s, --socket <path>', "the agent's admin socket")
      .default(DEFAULT_SOCKET)
      .env('FEDERATE_SOCKET'),
  );
}

/**
 * The agent behind `--socket`. Adding a peer fetches from it, so an answer may take as long as a
 * poll does. For text output every value of its answers and errors is cleaned, because key IDs,
 * names and reasons come from peers.
 */
export function agentFor(
  options: AgentOptions,
  { timeoutMs = 60_000, signal }: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): AdminClient {
  const { name, as } = operatorOf(systemEnvironment, userName());
  return createAdminClient({
    socketPath: options.socket,
    operator: name,
    ...defined({ operatorAs: as }),
    timeoutMs,
    random: systemRandom,
    clean: (answer) => cleanIn(options.output, answer),
    signal,
  });
}

/**
 * The user who runs this command. Behind `sudo` it is the person who called it, and `as` whom it
 * runs.
 */
export function operatorOf(
  { SUDO_USER: caller }: Environment,
  user: string,
): { readonly name: string; readonly as?: string } {
  return caller === undefined || caller === '' || caller === user
    ? { name: user }
    : { name: caller, as: user };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user need not have a name.
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
