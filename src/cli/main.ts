import { Command, CommanderError } from 'commander';
import { addCommand } from './commands/add.ts';
import { adminCommand } from './commands/admin.ts';
import { adoptCommand } from './commands/adopt.ts';
import { bundleCommand } from './commands/bundle.ts';
import { changeCommand } from './commands/change.ts';
import { distrustCommand, trustCommand } from './commands/distrust.ts';
import { demoCommand } from './commands/demo.ts';
import { exportConfigCommand } from './commands/export-config.ts';
import { doctorCommand } from './commands/doctor.ts';
import { approveCommand, inviteCommand } from './commands/invite.ts';
import { historyCommand } from './commands/history.ts';
import { listCommand, showCommand } from './commands/list.ts';
import { processCommands } from './commands/processes.ts';
import { refreshCommand } from './commands/refresh.ts';
import { reviewCommand } from './commands/review.ts';
import { removeCommand } from './commands/remove.ts';
import { rotateCommand } from './commands/rotate.ts';
import { rotationCommand } from './commands/rotation.ts';
import { statusCommand } from './commands/status.ts';
import { verifyCommand } from './commands/verify.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { refuseUnknownVerb } from './known-verbs.ts';
import { guarded, type OutputFormat, processTerminal, reportError, type Terminal } from './terminal.ts';
import { versionLine } from '../platform/index.ts';

/**
 * The whole command: `words` are the arguments after `federate`. Resolves to the exit code (0 done,
 * 1 refused or failed, 2 wrong usage, 3 agent not reachable) and never rejects; what went wrong is
 * on standard error.
 */
export async function main(words: readonly string[], terminal: Terminal = processTerminal): Promise<number> {
  // The program that reads our output may stop reading, as `| head` does. That is not a failure.
  if (!process.stdout.listeners('error').includes(onBrokenPipe)) process.stdout.on('error', onBrokenPipe);
  let exitCode: ExitCode = exitCodes.done;
  const finish = (code: ExitCode) => {
    exitCode = code;
  };
  const safe = guarded(terminal);
  const program = createProgram(safe, finish);
  try {
    refuseUnknownVerb(program, words);
    await program.parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    return reportError(safe, formatIn(words), error);
  }
}

function onBrokenPipe(error: NodeJS.ErrnoException): never {
  process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.failed);
}

function createProgram(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const program = new Command('federate');
  program
    .description('SPIFFE trust-bundle exchange between service meshes')
    .version(versionLine())
    .exitOverride()
    // Else `invite list --socket S` would give S to `invite`, which has the option too.
    .enablePositionalOptions()
    // A verb with verbs below it may have options of the same name as they have.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .showHelpAfterError('(add --help for what can be said)')
    .addHelpText('after', '\nExit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 agent not reachable.');
  for (const add of [
    inviteCommand,
    addCommand,
    approveCommand,
    listCommand,
    showCommand,
    statusCommand,
    refreshCommand,
    changeCommand,
    removeCommand,
    adoptCommand,
    reviewCommand,
    distrustCommand,
    trustCommand,
    bundleCommand,
    historyCommand,
    verifyCommand,
    exportConfigCommand,
    doctorCommand,
    adminCommand,
    processCommands,
    rotateCommand,
    rotationCommand,
    demoCommand,
  ]) {
    add(program, terminal, finish);
  }
  overrideExits(program);
  return program;
}

/**
 * Subcommands made by `command()` inherit settings, but not those that were set after; so all are
 * set here.
 */
function overrideExits(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    overrideExits(child);
  }
}

/**
 * The asked output format, read from the words themselves: an error may come before they are
 * parsed.
 */
function formatIn(words: readonly string[]): OutputFormat {
  const joined = words.join(' ');
  return /(?:^| )(?:--output[= ]|-o ?)json(?: |$)/.test(joined) ? 'json' : 'text';
}
