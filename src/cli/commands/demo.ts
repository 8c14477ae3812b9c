import type { Command } from 'commander';
import { withOutput } from '../agent-options.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { OutputFormat, Terminal } from '../terminal.ts';

/** `federate demo`: two meshes on this machine, start to finish. */
export function demoCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  withOutput(program.command('demo'))
    .description(
      'two meshes on this machine, start to finish: refused, federated, attacked, rotated, broken, removed',
    )
    .option('--keep', 'leave the meshes running after the second step, and say how to use them')
    .addHelpText(
      'after',
      `
Needs nothing but this checkout: no containers, no network. Ends by itself.
With --output json each step is one JSON object on a line of its own.

Examples:
  $ federate demo
  $ federate demo --keep`,
    )
    .action(async (options: { readonly keep?: boolean; readonly output: OutputFormat }) => {
      const json = options.output === 'json';
      // Loaded when it is wanted: the other verbs should start fast.
      const { runDemo } = await import('../../demonstration/demo/index.ts');
      const succeeded = await runDemo({
        keep: options.keep === true,
        output: {
          line: (text) => {
            if (!json) terminal.out(text);
          },
          record: (record) => {
            if (json) terminal.out(JSON.stringify(record));
          },
          progress: (text) => (json ? terminal.err(text.trim()) : terminal.out(text)),
          notice: (text) => (json ? terminal.err(text) : terminal.out(text)),
        },
      });
      finish(succeeded ? exitCodes.done : exitCodes.failed);
    });
}
