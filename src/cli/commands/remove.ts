import type { Command } from 'commander';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { printResult, type Terminal } from '../terminal.ts';

/** `federate remove`: end the relationship and the trust. */
export function removeCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  withAgent(program.command('remove <trust-domain>'))
    .description('end a relationship: its trust goes at once, its history stays')
    .option('--reason <text>', 'why, for the audit log')
    .addHelpText('after', '\nExample:\n  $ federate remove b.example --reason "contract ended"')
    .action(async (trustDomain: string, options: AgentOptions & { readonly reason?: string }) => {
      const answer = await agentFor(options).remove(trustDomain, options.reason);
      printResult(
        terminal,
        options.output,
        answer,
        () =>
          `${answer.trust_domain} is no longer trusted. Its history stays: "federate bundle history ${answer.trust_domain}".`,
      );
      finish(exitCodes.done);
    });
}
