import type { Command } from 'commander';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { printResult, type Terminal } from '../terminal.ts';
import { showOrWatch, type WatchOptions, withWatch } from '../watch.ts';
import { textOfAll, textOfOne } from './relationship-text.ts';

/** `federate list`: every relationship in a line. */
export function listCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  withWatch(withAgent(program.command('list')))
    .description('all relationships: state, sequence, freshness, next poll')
    .addHelpText(
      'after',
      `
Examples:
  $ federate list
  $ federate list --watch
  $ federate list --output json | jq -r ".[].trust_domain"`,
    )
    .action(async (options: AgentOptions & WatchOptions) => {
      const code = await showOrWatch(terminal, options, {
        ask: (agent) => agent.call('GET /v1/relationships'),
        text: (all, view) => textOfAll(all, view, terminal.clock.now()),
        exitCode: () => exitCodes.done,
      });
      finish(code);
    });
}

/** `federate show`: one relationship in full. */
export function showCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  withAgent(program.command('show <trust-domain>'))
    .description('one relationship in full: state and why, freshness, next poll, what the mesh has of it')
    .addHelpText('after', '\nExample:\n  $ federate show b.example')
    .action(async (trustDomain: string, options: AgentOptions) => {
      const one = await agentFor(options).call('GET /v1/relationships/{trust_domain}', {
        params: { trust_domain: trustDomain },
      });
      printResult(terminal, options.output, one, (view) => textOfOne(one, view, terminal.clock.now()));
      finish(exitCodes.done);
    });
}
