import type { Command } from 'commander';
import type { AdminClient, LeftOutDocument } from '../../admin-client/index.ts';
import { type Clock, pause } from '../../platform/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { withProgress } from '../progress.ts';
import { renderTable } from '../table.ts';
import { type Terminal, UsageError } from '../terminal.ts';

/** `federate refresh`: poll now. */
export function refreshCommand(program: Command, terminal: Terminal): void {
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
        const agent = agentFor(options);
        const answers = await withProgress(terminal, `polling ${trustDomain ?? 'all peers'}`, (report) =>
          countingPolls(agent, terminal.clock, report, () =>
            agent.call('POST /v1/refresh', {
              body: { trust_domain: trustDomain, accept_once: options.acceptOnce === true },
            }),
          ),
        );
        terminal.result(answers, (view) =>
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
        if (!answers.every((each) => each.code === null)) terminal.exitCode = exitCodes.failed;
      },
    );
}

/** One line for each entry of a peer's bundle that is not used, with the reason. */
export function leftOutLines(trustDomain: string, left: readonly LeftOutDocument[]): string[] {
  return left.map(({ message, code }) => `not used, of ${trustDomain}: ${message} [${code}]`);
}

const COUNT_EVERY_MS = 1000;

/** Counts, while the agent polls, the peers that it has polled since then. */
async function countingPolls<Result>(
  agent: AdminClient,
  clock: Clock,
  report: (howFar: string) => void,
  work: () => Promise<Result>,
): Promise<Result> {
  const end = new AbortController();
  const start = clock.now();
  const counting = async () => {
    while (await pause(clock, COUNT_EVERY_MS, end.signal)) {
      const all = await agent.call('GET /v1/relationships');
      const polled = all.filter(({ last_attempt_at: at }) => at !== null && new Date(at) >= start);
      report(`${polled.length} of ${all.length} done`);
    }
  };
  // A count that fails leaves the work as it is.
  const counted = counting().catch(() => undefined);
  try {
    return await work();
  } finally {
    end.abort();
    await counted;
  }
}
