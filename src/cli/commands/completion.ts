import { Argument, type Command } from 'commander';
import { SCRIPTS, type Shell, SHELLS } from '../completion/scripts.ts';
import type { Terminal } from '../terminal.ts';

/** `federate completion`: the script that completes this command in a shell. */
export function completionCommand(program: Command, terminal: Terminal): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'the shell that runs the script').choices(SHELLS))
    .description('print the script that completes this command in a shell: bash, zsh or fish')
    .addHelpText(
      'after',
      `
Verbs, options and files are completed, and from a running agent the names of peers,
keys, offers and invitations. Without an agent these are left out.

Examples:
  $ source <(federate completion bash)
  $ federate completion bash > /etc/bash_completion.d/federate
  $ federate completion zsh > "\${fpath[1]}/_federate"
  $ federate completion fish > ~/.config/fish/completions/federate.fish`,
    )
    .action((shell: Shell) => {
      terminal.out(SCRIPTS[shell].trimEnd());
    });
}
