import type { Command } from 'commander';
import type { DecidedListDocument, WaitingListDocument } from '../../admin-client/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { renderFields } from '../table.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import type { View } from '../view.ts';

interface ReviewOptions extends AgentOptions {
  readonly accept?: string;
  readonly reject?: string;
  readonly reason?: string;
}

/** `federate service review` shows the lists of services that wait, and takes the decision. */
export function addReviewVerb(service: Command, terminal: Terminal): void {
  withAgent(service.command('review [peer]'))
    .description('lists of services with a suspicious change: what changed; accept or reject')
    .option('--accept <digest>', 'use exactly the list with this digest, of which six digits are enough')
    .option('--reject <digest>', 'keep exactly this list out for good')
    .option('--reason <text>', 'why, for the audit log; a decision needs it')
    .addHelpText(
      'after',
      `
A list waits when an imported service names another identity, speaks another protocol
or has its first tcp port, and when more than half of a list is gone at once. What was
accepted before is used until the decision.

Examples:
  $ federate service review
  $ federate service review b.example --accept 9f2c41 --reason "Bob moved the service"
  $ federate service review b.example --reject 9f2c41 --reason "not announced"`,
    )
    .action(async (name: string | undefined, options: ReviewOptions) => {
      const decided = decisionIn(options);
      if (!decided) {
        if (options.reason !== undefined) throw new UsageError('--reason goes with --accept or --reject');
        const all = await agentFor(options).call('GET /v1/waiting-lists');
        const lists = name === undefined ? all : all.filter((each) => each.trust_domain === name);
        terminal.result(lists, (view) => textOfLists(lists, options, view));
        return;
      }
      const { decision, digest } = decided;
      if (name === undefined) throw new UsageError('a decision is about one peer: name its trust domain');
      if (options.reason === undefined || options.reason === '')
        throw new UsageError(`--${decision} needs --reason: it is kept in the audit log`);
      const done = await agentFor(options).call('POST /v1/waiting-lists/{trust_domain}', {
        params: { trust_domain: name },
        body: { decision, digest, reason: options.reason },
      });
      terminal.result(done, () => textOfDecided(done));
    });
}

function decisionIn({ accept, reject }: ReviewOptions) {
  if (accept !== undefined && reject !== undefined)
    throw new UsageError('--accept and --reject exclude each other');
  if (accept !== undefined) return { decision: 'accept' as const, digest: accept };
  return reject === undefined ? undefined : { decision: 'reject' as const, digest: reject };
}

function textOfLists(lists: readonly WaitingListDocument[], called: CalledWith, view: View): string {
  if (lists.length === 0) return 'No list of services waits for your decision.';
  return lists.map((list) => textOfList(list, called, view)).join('\n\n');
}

function textOfList(list: WaitingListDocument, called: CalledWith, view: View): string {
  const { trust_domain: peer, status, changes, digest, sequence, held_sequence: held } = list;
  const step = (decision: string) =>
    nextStep(called, 'service', 'review', peer, decision, digest.slice(0, 12), '--reason', 'your reason');
  const what = status === 'waiting' ? 'waits for your decision' : 'is rejected, and still offered';
  const fields = renderFields(
    [
      ['digest', `sha256:${digest}`],
      ['sequence', `${sequence} (held: ${held ?? 'none'})`],
      ['seen', `since ${view.at(list.since)}, last ${view.at(list.last_seen)}`],
      ['services', list.services.join(', ')],
    ],
    view,
  );
  return [
    `${peer}: a list of services ${what}`,
    '',
    ...changes.map(({ code, message }) => `  ${view.words(message)} [${code}]`),
    '',
    ...fields.split('\n').map((line) => `  ${line}`),
    '',
    `  ${step('--accept')}`,
    ...(status === 'waiting' ? [`  ${step('--reject')}`] : []),
  ].join('\n');
}

function textOfDecided({ trust_domain: peer, decision, digest }: DecidedListDocument): string {
  return decision === 'accept'
    ? `Accepted: the list sha256:${digest} of ${peer} is used now.`
    : `Rejected: the list sha256:${digest} of ${peer} is kept out. What was used before stays in use.`;
}
