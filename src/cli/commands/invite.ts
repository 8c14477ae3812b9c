import type { Command } from 'commander';
import type { Clock } from '../../platform/index.ts';
import type { AdminClient, InvitationDocument, InviteDocument } from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { renderFields } from '../table.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { durationOf } from '../instants.ts';
import type { Terminal } from '../terminal.ts';
import type { View } from '../view.ts';

interface InviteOptions extends AgentOptions {
  readonly peer?: string;
  readonly expires: string;
  readonly requireApproval?: boolean;
  readonly wait?: boolean;
}

/** How often `--wait` looks. */
const LOOK_EVERY_MS = 500;

/** `federate invite`: one line that sets up both directions; and `invite list`, `invite cancel`. */
export function inviteCommand(program: Command, terminal: Terminal): void {
  const invite = withAgent(program.command('invite'))
    .description('print one line with which a peer and we federate, in both directions')
    .option(
      '--peer <trust-domain>',
      'the only trust domain that may use it; without it, any holder of the line',
    )
    .option('--expires <duration>', 'how long it is good for', '15m')
    .option('--require-approval', 'the peer that uses it waits until "federate approve" confirms the words')
    .option('--wait', 'stay until it was used, and show the words')
    .addHelpText(
      'after',
      `
Examples:
  $ federate invite
  $ federate invite --peer b.example --expires 1h --require-approval
  $ federate invite | qrencode -t ansiutf8

The line is a secret until it is used: it is good once, for who uses it first.
The peer's operator passes it to "federate add --peer '<line>'". Both consoles
then show the same four words; compare them over the telephone if in doubt.`,
    )
    .action(async (options: InviteOptions) => {
      const agent = agentFor(options);
      const invited = await agent.call('POST /v1/invitations', { body: documentFrom(options) });
      terminal.result(invited, () => invited.line);
      if (terminal.format === 'text') terminal.note(textOfGiven(invited, options, terminal.view));
      if (options.wait !== true) {
        return;
      }
      const used = await untilUsed(agent, invited.id, terminal.clock);
      const good = used.state === 'completed' || used.state === 'awaiting-approval';
      if (terminal.format === 'text') terminal.err(textOfUsed(used, terminal.view));
      else terminal.result(used, () => '');
      if (!good) terminal.exitCode = exitCodes.failed;
    });

  withAgent(invite.command('list'))
    .description('the invitations that were given and taken up, with their words')
    .addHelpText('after', '\nExample:\n  $ federate invite list')
    .action(async (options: AgentOptions) => {
      const all = await agentFor(options).call('GET /v1/invitations');
      terminal.result(all, (view) => textOfAll(all, view));
    });

  withAgent(invite.command('cancel <id>'))
    .description('take an invitation back that is open, or waits for approval')
    .addHelpText('after', '\nExample:\n  $ federate invite cancel 3f6c01d29a44b7e0')
    .action(async (id: string, options: AgentOptions) => {
      const cancelled = await agentFor(options).call('DELETE /v1/invitations/{id}', { params: { id } });
      terminal.result(cancelled, () => `The invitation ${id} is good for nothing now.`);
    });
}

/** `federate approve`: confirm who used an invitation. */
export function approveCommand(program: Command, terminal: Terminal): void {
  withAgent(program.command('approve <words-or-id...>'))
    .description('confirm who used an invitation with --require-approval: the peer is trusted from then on')
    .addHelpText(
      'after',
      `
Examples:
  $ federate approve maple tiger onion lamp
  $ federate approve 3f6c01d29a44b7e0

Take the words from the other side, over the telephone for instance, not from
"federate invite list": if they differ, an attacker stands in between.`,
    )
    .action(async (words: readonly string[], options: AgentOptions) => {
      const approved = await agentFor(options).call('POST /v1/invitations/approve', {
        body: { words_or_id: words.join(' ') },
      });
      terminal.result(
        approved,
        () =>
          `Federated with ${approved.peer ?? ''}. See it with "${nextStep(options, 'show', approved.peer ?? '')}".`,
      );
    });
}

/** The lines to print for an invitation that was accepted here. */
export function textOfTaken({ state, peer, words }: InvitationDocument, called: CalledWith): string {
  const shown = `The words on both sides are: ${words ?? ''}`;
  if (state === 'completed')
    return `Federated with ${peer ?? ''}, in both directions.\n${shown}\nSee it with "${nextStep(called, 'show', peer ?? '')}".`;
  return `${peer ?? ''} asks its operator for approval.\n${shown}\nTell them to the other side. "${nextStep(called, 'list')}" shows the relationship once they have approved.`;
}

function documentFrom({ peer, expires, requireApproval }: InviteOptions): InviteDocument {
  return {
    expires_in_seconds: durationOf(expires, '--expires', 1000) / 1000,
    ...defined({ peer }),
    ...(requireApproval === true ? { require_approval: true } : {}),
  };
}

function textOfGiven(
  { id, peer, expires_at: expiresAt, require_approval: approval }: InvitationDocument,
  called: CalledWith,
  view: View,
): string {
  return [
    `Invitation ${id}, good once until ${view.at(expiresAt)}${peer === null ? '' : `, for ${peer} only`}.`,
    'Send the line only to the other operator, who types:',
    "  federate add --peer '<line>'",
    approval
      ? `It then waits for "${nextStep(called, 'approve', 'WORDS')}", with the words they read out to you.`
      : `"${nextStep(called, 'invite', 'list')}" shows the words that they see too.`,
    'Take it back with:',
    `  ${nextStep(called, 'invite', 'cancel', id)}`,
  ].join('\n');
}

async function untilUsed(agent: AdminClient, id: string, clock: Clock): Promise<InvitationDocument> {
  for (;;) {
    const all = await agent.call('GET /v1/invitations');
    const ours = all.find((each) => each.id === id && each.role === 'inviter');
    if (ours && ours.state !== 'open') return ours;
    await clock.sleep(LOOK_EVERY_MS);
  }
}

function textOfUsed({ state, peer, words, reason }: InvitationDocument, view: View): string {
  if (state === 'completed') return `Federated with ${peer ?? ''}. The words are: ${words ?? ''}`;
  if (state === 'awaiting-approval')
    return `${peer ?? ''} came with it, and waits for approval. The words are: ${words ?? ''}`;
  return `The invitation is ${state}: ${view.words(reason?.message ?? '')}`;
}

function textOfAll(all: readonly InvitationDocument[], view: View): string {
  if (all.length === 0) return 'There are no invitations. "federate invite --help" shows how to give one.';
  return all
    .map((each) =>
      [
        `${each.id}  ${each.role === 'inviter' ? 'given' : 'taken up'}`,
        renderFields(
          [
            [
              '  state',
              each.state +
                (each.reason === null ? '' : `: ${view.words(each.reason.message)} [${each.reason.code}]`),
            ],
            [each.role === 'inviter' ? '  for' : '  from', each.peer ?? 'any holder of the line'],
            ['  words', each.words ?? undefined],
            ['  good until', each.ended_at === null ? view.at(each.expires_at) : undefined],
            ['  ended', each.ended_at === null ? undefined : view.at(each.ended_at)],
            ['  tries in vain', each.failed_tries === 0 ? undefined : each.failed_tries.toString()],
          ],
          view,
        ),
      ].join('\n'),
    )
    .join('\n');
}
