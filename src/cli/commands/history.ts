import type { Command } from 'commander';
import type {
  StoryDocument,
  StoryQuery,
  TrustedAtDocument,
  TrustedDocument,
} from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { countOf, instantOf } from '../instants.ts';
import { printableJson } from '../../platform/index.ts';
import { withProgress } from '../progress.ts';
import { cleanIn, type Terminal, UsageError } from '../terminal.ts';
import { followStory, textOfEvent } from '../history-follow.ts';
import type { View } from '../view.ts';
import { addHeads } from './history-heads.ts';
import { addVerify } from './history-verify.ts';

interface HistoryOptions extends AgentOptions {
  readonly store?: string;
  readonly of?: string;
  readonly limit: string;
  readonly since?: string;
  readonly until?: string;
  readonly kind?: readonly string[];
  readonly follow?: boolean;
  readonly at?: string;
  readonly export?: string;
}

/**
 * `federate history` shows the events, what was trusted at an instant, and evidence for others;
 * `verify` proves that it was not changed.
 */
export function historyCommand(program: Command, terminal: Terminal): void {
  const history = withAgent(program.command('history'))
    .description('what happened, what was trusted at an instant, and evidence of it for others')
    .option('--at <instant>', 'what was trusted then, of every trust domain, such as 2026-11-21T10:00Z')
    .option('--export <file>', 'write the whole history with its proofs to a file, - for standard output')
    .option('--of <trust-domain>', 'only what is about this trust domain')
    .option('--since <instant>', 'only events from then on')
    .option('--until <instant>', 'only events before then')
    .option(
      '--kind <kind>',
      'only events of this kind, such as bundle-accepted; again, or with commas, for each further one',
      (words: string, before: readonly string[] | undefined) => [...(before ?? []), ...words.split(',')],
    )
    .option('-f, --follow', 'oldest first, and go on with each new event until interrupted')
    .option('--limit <count>', 'how many events at the most', '50')
    .option('--store <file>', 'read this store instead of asking the agent: beside it, after it, or a copy')
    .addHelpText(
      'after',
      `
Examples:
  $ federate history --limit 10
  $ federate history --since 2026-11-21T10:00Z --until 2026-11-21T11:00Z
  $ federate history --kind key-distrusted,key-trusted-again --of b.example
  $ federate history --follow --output json | jq -r .message
  $ federate history --at 2026-11-21T10:00Z
  $ federate history --at 2026-11-21T10:00Z --of b.example --store backup.db
  $ federate history --export evidence.jsonl
  $ federate history verify

How others verify an export with openssl and nothing of ours stands in docs/history.md.`,
    )
    .action(async (options: HistoryOptions) => {
      if (options.at !== undefined && options.export !== undefined)
        throw new UsageError('--export writes the whole history: give it without --at');
      refuseFilters(options);
      if (options.follow === true) {
        await followStory((wanted) => ask(options, wanted), queryFrom(options), terminal);
        return;
      }
      if (options.export !== undefined) await writeExport(terminal, options, options.export);
      else if (options.at !== undefined) {
        const answer = await trustedAt(options, options.at);
        terminal.result(answer, (view) => textOfTrusted(answer, view));
      } else {
        const story = await ask(options, queryFrom(options));
        terminal.result(story, (view) => textOfStory(story, view));
      }
    });
  addHeads(history, terminal);
  addVerify(history, terminal);
}

/** Refuses options that choose events, because they have no meaning for an instant or an export. */
function refuseFilters({ at, export: file, follow, until, ...options }: HistoryOptions): void {
  if (follow === true && until !== undefined)
    throw new UsageError('--follow has no end: give it without --until');
  const given = (['since', 'kind'] as const).filter((name) => options[name] !== undefined);
  const others = [
    ...given,
    ...(until === undefined ? [] : ['until']),
    ...(follow === true ? ['follow'] : []),
  ];
  const [first] = others;
  if (first === undefined) return;
  if (at !== undefined)
    throw new UsageError(`--at is about what was trusted at an instant: give it without --${first}`);
  if (file !== undefined)
    throw new UsageError(`--export writes the whole history: give it without --${first}`);
}

function queryFrom({ limit: count, of, since, until, kind }: HistoryOptions): StoryQuery {
  return {
    limit: countOf(count, '--limit', 10_000),
    ...defined({ of }),
    ...(since === undefined ? {} : { since: instantOf(since, '--since').toISOString() }),
    ...(until === undefined ? {} : { until: instantOf(until, '--until').toISOString() }),
    ...defined({ kinds: kind }),
  };
}

async function ask({ store, ...options }: HistoryOptions, wanted: StoryQuery): Promise<StoryDocument> {
  if (store === undefined) {
    const query = { ...wanted, kinds: wanted.kinds?.join(',') };
    return await agentFor(options).call('GET /v1/history', { query });
  }
  const { storyOfFile } = await import('../history-file.ts');
  return cleanIn(options.output, await storyOfFile(store, wanted));
}

async function trustedAt(options: HistoryOptions, at: string): Promise<TrustedAtDocument> {
  const instant = instantOf(at, '--at');
  const of = await trustDomainOf(options.of);
  const answer = await (options.store === undefined
    ? agentFor(options).call('GET /v1/history/at', { query: { instant: instant.toISOString() } })
    : (await import('../history-file.ts'))
        .trustedAtInFile(options.store, instant)
        .then((found) => cleanIn(options.output, found)));
  if (of === undefined) return answer;
  return { ...answer, trusted: answer.trusted.filter(({ trust_domain: name }) => name === of) };
}

/** The name in `--of`, checked. Rejects with the codes of a malformed trust domain. */
async function trustDomainOf(text: string | undefined): Promise<string | undefined> {
  if (text === undefined) return undefined;
  const { parseTrustDomain } = await import('../../spiffe/index.ts');
  return parseTrustDomain(text);
}

async function writeExport(terminal: Terminal, options: HistoryOptions, file: string): Promise<void> {
  if (options.of !== undefined)
    throw new UsageError('an export is the whole history, or it would prove nothing: give it without --of');
  const { exportTo } = await import('../history-file.ts');
  const answer = await withProgress(terminal, 'exporting the history', (report) =>
    exportTo(file, options.store, agentFor(options), {
      print: (line) => terminal.out(printableJson(line)),
      onLine: (lines) => report(`${lines} lines`),
    }),
  );
  if (file === '-') return;
  terminal.result(answer, () =>
    [
      `The history of ${answer.trust_domain ?? 'this agent'} is in ${file}: ${answer.lines} lines.`,
      `Every holder of the file can verify it with "federate history verify ${file}", or without Federate: docs/history.md.`,
    ].join('\n'),
  );
}

function textOfStory({ events, links, newest_head: newest }: StoryDocument, view: View): string {
  const lines = events.map((event) => textOfEvent(event, view));
  const signed =
    newest === null
      ? 'no head of it was noted yet'
      : newest.signer === null
        ? `noted up to link ${newest.number}, unsigned: the agent has no SVID`
        : `signed up to link ${newest.number} by ${newest.signer} at ${view.at(newest.signed_at)}`;
  return [
    ...lines,
    '',
    `${links} links in the chain; ${signed}. "federate history verify" verifies it.`,
  ].join('\n');
}

function textOfTrusted({ instant, trusted }: TrustedAtDocument, view: View): string {
  if (trusted.length === 0) return `Nothing was trusted at ${view.at(instant)}.`;
  return [
    `Trusted at ${view.at(instant)}:`,
    ...trusted.flatMap((each) => ['', ...textOfBundle(each, view)]),
  ].join('\n');
}

function textOfBundle(bundle: TrustedDocument, view: View): string[] {
  const out = new Map(bundle.distrusted.map((key) => [key.key_fingerprint, key]));
  const distrustedNote = (fingerprint: string) => {
    const key = out.get(fingerprint);
    return key ? `  distrusted since ${view.at(key.since)}: ${key.reason}` : '';
  };
  return [
    `${bundle.trust_domain}  version ${bundle.version}, sequence ${bundle.sequence ?? '-'}, since ${view.at(bundle.received_at)} from ${bundle.origin} (${bundle.verdict})`,
    ...bundle.x509_authorities.map(
      ({ fingerprint, key_fingerprint: key, subject, not_after: end }) =>
        `    root  sha256:${fingerprint}  ${subject || '(no subject)'}, until ${view.day(end)}${distrustedNote(key)}`,
    ),
    ...bundle.jwt_key_ids.map((id) => `    JWT key  ${id}`),
    ...(bundle.x509_authorities.length + bundle.jwt_key_ids.length === 0 ? ['    no key at all'] : []),
  ];
}
