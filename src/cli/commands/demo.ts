import type { Command } from 'commander';
import { withOutput } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { withProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

/** `federate demo`: two meshes on this machine, start to finish. */
export function demoCommand(program: Command, terminal: Terminal): void {
  withOutput(program.command('demo'))
    .description(
      'two meshes on this machine, start to finish: refused, federated, attacked, rotated, broken, removed',
    )
    .option('--keep', 'leave the meshes running after the third step, and say how to use them')
    .addHelpText(
      'after',
      `
Needs nothing but this checkout: no containers, no network. Ends by itself.
With --output json each step is one JSON object on a line of its own, and with
yaml one document of a stream.

Examples:
  $ federate demo
  $ federate demo --keep`,
    )
    .action(async (options: { readonly keep?: boolean }) => {
      const { keep = false } = options;
      const isText = terminal.format === 'text';
      // Loaded when it is wanted: the other verbs should start fast.
      const { runDemo } = await import('../../demonstration/demo/index.ts');
      const story = () =>
        runDemo({
          keep,
          output: {
            line: (text) => {
              if (isText) terminal.out(text);
            },
            record: (record) => {
              if (!isText) terminal.item(record, () => '');
            },
            progress: (text) => terminal.note(text.trim()),
            notice: (text) => (isText ? terminal.out(text) : terminal.err(text)),
          },
        });
      // Meshes that are kept are not waited for, and the story itself tells where it waits long.
      const succeeded =
        keep || !terminal.statusLine
          ? await story()
          : await withProgress(terminal, 'the next step is under way', story);
      if (!succeeded) terminal.exitCode = exitCodes.failed;
    });
}
