import type { Command } from 'commander';
import type {
  DecidedDocument,
  DecisionDocument,
  OfferDocument,
  OfferedKeyDocument,
  ReviewDocument,
} from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { renderFields, wrap } from '../table.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import type { View } from '../view.ts';

interface ReviewOptions extends AgentOptions {
  readonly accept?: boolean;
  readonly reject?: boolean;
  readonly reconsider?: boolean;
  readonly digest?: string;
  readonly reason?: string;
}

/** `federate review` shows what waits for the operator, and takes the decision. */
export function reviewCommand(program: Command, terminal: Terminal): void {
  withAgent(program.command('review [peer]'))
    .description(
      'offered bundles that wait for your decision: why, what would change, where from; accept or reject',
    )
    .option(
      '--accept',
      'trust exactly the offer that is shown; refused when the endpoint offers another in the meantime',
    )
    .option('--reject', 'keep exactly this content out for good; it is not asked about again')
    .option('--reconsider', 'take a rejection back')
    .option('--digest <digest>', 'which offer is meant: six or more digits of its digest')
    .option('--reason <text>', 'why, for the audit log; a decision needs it')
    .addHelpText(
      'after',
      `
Examples:
  $ federate review
  $ federate review b.example
  $ federate review b.example --accept --digest 9f2c41 \\
      --reason "Bob read the digest to me over the phone"
  $ federate review b.example --reject --reason "not theirs"
  $ federate review b.example --reconsider --reason "it was theirs after all"

Compare the digest with one that the peer's operators give you over another channel
("federate bundle show" on their side). An offer that waits is not trusted, and what
was trusted before stays trusted. Exit code 1: the decision was not carried out, and
the offer that was shown is not trusted.`,
    )
    .action(async (name: string | undefined, options: ReviewOptions) => {
      const decision = decisionIn(options);
      if (decision === undefined) {
        if (options.digest !== undefined || options.reason !== undefined)
          throw new UsageError('--digest and --reason go with --accept, --reject or --reconsider');
        const agent = agentFor(options);
        const found =
          name === undefined
            ? await agent.call('GET /v1/offers')
            : await agent.call('GET /v1/offers/{trust_domain}', { params: { trust_domain: name } });
        terminal.result(found, (view) => textOfReview(found, options, view));
        return;
      }
      if (name === undefined) throw new UsageError('a decision is about one peer: name its trust domain');
      if (options.reason === undefined || options.reason === '')
        throw new UsageError(`--${decision} needs --reason: it is kept in the audit log`);
      const digest = options.digest ?? (await shownDigest(name, decision, options, terminal));
      const request = { decision, reason: options.reason, ...defined({ digest }) };
      const decided = await agentFor(options).call('POST /v1/offers/{trust_domain}', {
        params: { trust_domain: name },
        body: request,
      });
      terminal.result(decided, () => textOfDecision(decided, options));
    });
}

function decisionIn({ accept, reject, reconsider }: ReviewOptions): DecisionDocument['decision'] | undefined {
  const decisions = [
    ...(accept === true ? ['accept' as const] : []),
    ...(reject === true ? ['reject' as const] : []),
    ...(reconsider === true ? ['reconsider' as const] : []),
  ];
  if (decisions.length > 1) throw new UsageError('--accept, --reject and --reconsider exclude each other');
  return decisions[0];
}

/**
 * The decision is about one offer. Without a digest, that is the offer that waits now: text output
 * shows it, and its digest goes with the decision. A program that decides for a person names the
 * digest that the person has seen.
 */
async function shownDigest(
  name: string,
  decision: DecisionDocument['decision'],
  options: ReviewOptions,
  terminal: Terminal,
): Promise<string | undefined> {
  if (decision === 'reconsider') return undefined;
  const { waiting } = await agentFor(options).call('GET /v1/offers/{trust_domain}', {
    params: { trust_domain: name },
  });
  const [offer] = waiting;
  if (offer && terminal.format === 'text') terminal.out(textOfOffer(offer, options, terminal.view));
  return offer?.digest;
}

function textOfReview({ waiting, rejected }: ReviewDocument, called: CalledWith, view: View): string {
  const parts = waiting.map((offer) => textOfOffer(offer, called, view));
  if (waiting.length === 0) parts.push('Nothing waits for your decision.');
  if (rejected.length > 0) {
    const lines = rejected.map(
      ({ trust_domain: name, digest, since, actor, reason }) =>
        `  ${name}  sha256:${digest}\n    since ${view.at(since)} by ${actor}: ${reason}`,
    );
    parts.push(['Rejected, and not asked about again:', ...lines].join('\n'));
  }
  return parts.join('\n\n');
}

const STATUS = {
  quarantined: 'waits for your decision',
  refused: 'is kept out for going backwards',
  rejected: 'is rejected, and still offered',
} as const;

function textOfOffer(offer: OfferDocument, called: CalledWith, view: View): string {
  const name = offer.trust_domain;
  const decide = (decision: string) =>
    nextStep(
      called,
      'review',
      name,
      decision,
      '--digest',
      offer.digest.slice(0, 12),
      '--reason',
      'your reason',
    );
  const times = offer.seen === 1 ? 'once' : `${offer.seen} times`;
  return [
    `${name}: an offered bundle ${STATUS[offer.status]}`,
    '',
    `  ${view.words(offer.message)} [${offer.code}]`,
    ...wrap(offer.meaning, Math.min(view.columns ?? 80, 100) - 2).map((line) => `  ${line}`),
    '',
    ...renderFields(
      [
        ['digest', `sha256:${offer.digest}`],
        ['held', offer.held_digest === null ? 'nothing' : `sha256:${offer.held_digest}`],
        ['sequence', `${offer.sequence ?? 'none'} (held: ${offer.held_sequence ?? 'none'})`],
        ['from', `${offer.origin} (${offer.profile})`],
        ['seen', `${times} since ${view.at(offer.since)}, last ${view.at(offer.last_seen)}`],
        ['policy', offer.policy],
      ],
      view,
    )
      .split('\n')
      .map((line) => `  ${line}`),
    '',
    ...offer.added.map((key) => view.paint('green', `  + ${textOfKey(key, view)}`)),
    ...offer.removed.map((key) => view.paint('red', `  - ${textOfKey(key, view)}`)),
    ...offer.kept.map((key) => `    ${textOfKey(key, view)}`),
    '',
    `  ${decide('--accept')}`,
    `  ${decide(offer.status === 'rejected' ? '--reconsider' : '--reject')}`,
  ].join('\n');
}

function textOfKey(key: OfferedKeyDocument, view: View): string {
  if (key.kind === 'jwt') return `JWT key ${JSON.stringify(key.key_id)}`;
  const day = (at: string | null) => (at === null ? '?' : view.day(at));
  const validity = `valid ${day(key.not_before)} to ${day(key.not_after)}`;
  return `root ${key.fingerprint?.slice(0, 12) ?? ''} ${key.subject ?? ''}`.trimEnd().concat(`, ${validity}`);
}

function textOfDecision(
  { trust_domain: name, decision, digest, poll }: DecidedDocument,
  called: CalledWith,
): string {
  const undo = ['--reconsider', '--digest', digest.slice(0, 12), '--reason', 'the rejection was a mistake'];
  const shown = `sha256:${digest}`;
  if (decision === 'accept') return `Accepted: ${shown} is what ${name} is trusted by from now on.`;
  if (decision === 'reject')
    return `Rejected: ${shown} is kept out for good. What was trusted of ${name} before stays trusted.\nUndo it with:\n  ${nextStep(called, 'review', name, ...undo)}`;
  return `No longer rejected: ${shown} was judged again, with the outcome ${poll.outcome}${poll.code === null ? '' : ` [${poll.code}]`}.`;
}
