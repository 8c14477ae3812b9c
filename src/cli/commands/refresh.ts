import type { Command } from 'commander';
import type { LeftOutDocument } from '../../admin-client/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { renderTable } from '../table.ts';
import { printResult, type Terminal, UsageError } from '../terminal.ts';

/** `federate refresh`: poll now. */
export function refreshCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  withAgent(program.command('refresh [trust-domain]'))
    .description('poll one peer, or all of them, now; exit code 1 when one of them could not be refreshed')
    .option(
      '--accept-once',
      'take what is offered now although it was refused or quarantined (one peer, on record)',
    )
    .addHelpText('after', '\nExamples:\n  $ federate refresh\n  $ federate refresh b.example --accept-once')
    .action(
      async (trustDomain: string | undefined, options: AgentOptions & { readonly acceptOnce?: boolean }) => {
        if (options.acceptOnce === true && trustDomain === undefined) {
          throw new UsageError('--accept-once goes with one peer: name its trust domain');
        }
        const answers = await agentFor(options).call('POST /v1/refresh', {
          body: { trust_domain: trustDomain, accept_once: options.acceptOnce === true },
        });
        printResult(terminal, options.output, answers, (view) =>
          answers.length === 0
            ? 'There are no relationships to refresh.'
            : [
                renderTable(
                  ['TRUST DOMAIN', 'OUTCOME', 'WHY'],
                  answers.map((each) => [each.trust_domain, each.outcome, view.words(each.message ?? '')]),
                  view,
                ),
                ...answers.flatMap(({ trust_domain: name, left_out: left }) => leftOutLines(name, left)),
              ].join('\n'),
        );
        finish(answers.every((each) => each.code === null) ? exitCodes.done : exitCodes.failed);
      },
    );
}

/** One line for each entry of a peer's bundle that is not used, with the reason. */
export function leftOutLines(trustDomain: string, left: readonly LeftOutDocument[]): string[] {
  return left.map(({ message, code }) => `not used, of ${trustDomain}: ${message} [${code}]`);
}
