import type { Command } from 'commander';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import type { Terminal } from '../terminal.ts';
import { showOrWatch, type WatchOptions, withWatch } from '../watch.ts';
import { textOfAll, textOfOne } from './relationship-text.ts';

/** `federate list`: every relationship in a line. */
export function listCommand(program: Command, terminal: Terminal): void {
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
      await showOrWatch(terminal, options, {
        ask: (agent) => agent.call('GET /v1/relationships'),
        text: (all, view) => textOfAll(all, view, terminal.clock.now()),
      });
    });
}

/** `federate show`: one relationship in full. */
export function showCommand(program: Command, terminal: Terminal): void {
  withAgent(program.command('show <trust-domain>'))
    .description('one relationship in full: state and why, freshness, next poll, what the mesh has of it')
    .addHelpText('after', '\nExample:\n  $ federate show b.example')
    .action(async (trustDomain: string, options: AgentOptions) => {
      const one = await agentFor(options).call('GET /v1/relationships/{trust_domain}', {
        params: { trust_domain: trustDomain },
      });
      terminal.result(one, (view) => textOfOne(one, view, terminal.clock.now()));
    });
}
