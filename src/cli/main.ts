import { type Argument, type Command, CommanderError } from 'commander';
import { accessCommand } from './commands/access.ts';
import { addCommand } from './commands/add.ts';
import { adminCommand } from './commands/admin.ts';
import { adoptCommand } from './commands/adopt.ts';
import { bundleCommand } from './commands/bundle.ts';
import { changeCommand } from './commands/change.ts';
import { distrustCommand, trustCommand } from './commands/distrust.ts';
import { completionCommand } from './commands/completion.ts';
import { demoCommand } from './commands/demo.ts';
import { exportConfigCommand } from './commands/export-config.ts';
import { doctorCommand } from './commands/doctor.ts';
import { approveCommand, inviteCommand } from './commands/invite.ts';
import { initCommand } from './commands/init.ts';
import { helpCommand } from './commands/help.ts';
import { historyCommand } from './commands/history.ts';
import { listCommand, showCommand } from './commands/list.ts';
import { checkConfigCommand } from './commands/check-config.ts';
import { processCommands } from './commands/processes.ts';
import { refreshCommand } from './commands/refresh.ts';
import { reviewCommand } from './commands/review.ts';
import { removeCommand } from './commands/remove.ts';
import { rotateCommand } from './commands/rotate.ts';
import { rotationCommand } from './commands/rotation.ts';
import { storeCommand } from './commands/store.ts';
import { serviceCommand } from './commands/service.ts';
import { statusCommand } from './commands/status.ts';
import { verifyCommand } from './commands/verify.ts';
import { askedOutput } from './asked-output.ts';
import { exitCodes } from './exit-codes.ts';
import { reflowed } from './help/help-text.ts';
import { refuseUnknownVerb } from './known-verbs.ts';
import { type Outlet, processOutlet } from './outlet.ts';
import { createTerminal, type OutputFormat, reportError, type Terminal } from './terminal.ts';
import { answerCompletion } from './completion/answer.ts';
import { COMPLETE_VERB } from './completion/scripts.ts';
import { FederateCommand } from './federate-command.ts';
import type { DisplayOptions } from './view.ts';
import { type Clock, systemClock, versionLine } from '../platform/index.ts';

/**
 * The whole command: `words` are the arguments after `federate`. Resolves to the exit code (0 done,
 * 1 refused or failed, 2 wrong usage, 3 agent not reachable), and never rejects. Standard error
 * says what went wrong.
 */
export async function main(
  words: readonly string[],
  outlet: Outlet = processOutlet,
  clock: Clock = systemClock,
): Promise<number> {
  // The program that reads our output may stop reading, as `| head` does. That is not a failure.
  if (!process.stdout.listeners('error').includes(onBrokenPipe)) process.stdout.on('error', onBrokenPipe);
  const terminal = createTerminal(outlet, clock);
  const program = createProgram(terminal);
  program.hook('preAction', (_, verb) => {
    // The verb's own options last: the defaults of the verb above it do not count.
    const { output = 'text', ...display }: DisplayOptions & { readonly output?: OutputFormat } = {
      ...verb.optsWithGlobals(),
      ...verb.opts(),
    };
    return terminal.show(output, display);
  });
  if (words[0] === COMPLETE_VERB) {
    await answerCompletion(program, words.slice(1), terminal, outlet.environment ?? {});
    return exitCodes.done;
  }
  try {
    refuseUnknownVerb(program, words);
    await program.parseAsync(words, { from: 'user' });
    return terminal.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const { format, display } = askedOutput(words);
    await terminal.show(format, display);
    return reportError(terminal, error);
  }
}

function onBrokenPipe(error: NodeJS.ErrnoException): never {
  process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.failed);
}

/** The verbs in their groups, in the order in which a newcomer needs them. */
const GROUPS: readonly (readonly [heading: string, verbs: readonly AddVerb[]])[] = [
  [
    'Start:',
    [
      demoCommand,
      initCommand,
      checkConfigCommand,
      statusCommand,
      doctorCommand,
      completionCommand,
      helpCommand,
    ],
  ],
  [
    'Relationships:',
    [
      inviteCommand,
      addCommand,
      approveCommand,
      listCommand,
      showCommand,
      refreshCommand,
      changeCommand,
      removeCommand,
      adoptCommand,
    ],
  ],
  [
    'Trust:',
    [
      reviewCommand,
      bundleCommand,
      verifyCommand,
      distrustCommand,
      trustCommand,
      rotationCommand,
      exportConfigCommand,
    ],
  ],
  ['Services:', [serviceCommand, accessCommand]],
  ['History:', [historyCommand, storeCommand]],
  ['Processes:', [processCommands, rotateCommand, adminCommand]],
];

type AddVerb = (program: Command, terminal: Terminal) => void;

/** The whole command line. The verb that runs sets the exit code of `terminal`. */
export function createProgram(terminal: Terminal): Command {
  const program = new FederateCommand('federate');
  program
    .description('SPIFFE trust-bundle exchange between service meshes')
    .version(versionLine())
    .exitOverride()
    // Else `invite list --socket S` would give S to `invite`, which has the option too.
    .enablePositionalOptions()
    .showSuggestionAfterError(false)
    .configureOutput({
      writeOut: (text) => terminal.out(reflowed(text.trimEnd(), helpWidth(terminal))),
      writeErr: (text) => terminal.err(reflowed(text.trimEnd(), helpWidth(terminal))),
      getOutHelpWidth: () => helpWidth(terminal),
      getErrHelpWidth: () => helpWidth(terminal),
      getOutHasColors: () => true,
      getErrHasColors: () => true,
    })
    .configureHelp({
      styleTitle: (title) => terminal.view.paint('bold', title),
      // Without "[options]", which each verb has.
      subcommandTerm: (verb) => [verb.name(), ...verb.registeredArguments.map(argumentTerm)].join(' '),
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 agent not reachable,\n130 interrupted while it watched.',
    );
  for (const [heading, verbs] of GROUPS) {
    program.commandsGroup(heading);
    for (const add of verbs) add(program, terminal);
  }
  return program;
}

/** An argument as help shows it, such as `<file>` or `[peer]`. */
function argumentTerm(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** Help is for reading: a wide terminal is used, but no line is longer than eyes can follow. */
function helpWidth({ view }: Terminal): number {
  return Math.min(view.columns ?? 80, 110);
}
