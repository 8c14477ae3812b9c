import type { Command } from 'commander';
import type { StoryDocument, TrustedAtDocument, TrustedDocument } from '../../admin-client/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { instantOf } from '../instants.ts';
import { printResult, type Terminal, UsageError } from '../terminal.ts';
import { addHeads } from './history-heads.ts';
import { addVerify } from './history-verify.ts';

interface HistoryOptions extends AgentOptions {
  readonly store?: string;
  readonly of?: string;
  readonly limit: string;
  readonly at?: string;
  readonly export?: string;
}

/** `federate history`: the story, what was trusted at an instant, evidence for others; `verify` proves that nobody touched it. */
export function historyCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  const history = withAgent(program.command('history'))
    .description('what happened, what was trusted at an instant, and evidence of it for others')
    .option('--at <instant>', 'what was trusted then, of every trust domain, such as 2026-11-21T10:00Z')
    .option('--export <file>', 'write the whole history with its proofs to a file, - for standard output')
    .option('--of <trust-domain>', 'only what is about this trust domain')
    .option('--limit <count>', 'how many events at the most', '50')
    .option('--store <file>', 'read this store instead of asking the agent: beside it, after it, or a copy')
    .addHelpText(
      'after',
      `
Examples:
  $ federate history --limit 10
  $ federate history --at 2026-11-21T10:00Z
  $ federate history --at 2026-11-21T10:00Z --of b.example --store backup.db
  $ federate history --export evidence.jsonl
  $ federate history verify

How others verify an export with openssl and nothing of ours stands in docs/history.md.`,
    )
    .action(async (options: HistoryOptions) => {
      if (options.at !== undefined && options.export !== undefined)
        throw new UsageError('--export writes the whole history: give it without --at');
      if (options.export !== undefined) await writeExport(terminal, options, options.export);
      else if (options.at !== undefined) {
        const answer = await trustedAt(options, options.at);
        printResult(terminal, options.output, answer, () => tellTrusted(answer));
      } else {
        const story = await storyOf(options);
        printResult(terminal, options.output, story, () => tellStory(story));
      }
      finish(exitCodes.done);
    });
  addHeads(history, terminal, finish);
  addVerify(history, terminal, finish);
}

async function storyOf(options: HistoryOptions): Promise<StoryDocument> {
  const limit = Number(options.limit);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 10_000)
    throw new UsageError('--limit is a whole number from 1 to 10000');
  if (options.store === undefined) return agentFor(options).story(options.of, limit);
  const { storyOfFile } = await import('../history-file.ts');
  return storyOfFile(options.store, options.of, limit);
}

async function trustedAt(options: HistoryOptions, at: string): Promise<TrustedAtDocument> {
  const instant = instantOf(at, '--at');
  const of = await trustDomainOf(options.of);
  const answer = await (options.store === undefined
    ? agentFor(options).trustedAt(instant.toISOString())
    : (await import('../history-file.ts')).trustedAtInFile(options.store, instant));
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
  const answer = await exportTo(file, options.store, agentFor(options), (line) => terminal.out(line));
  if (file === '-') return;
  printResult(terminal, options.output, answer, () =>
    [
      `The history of ${answer.trust_domain ?? 'this agent'} is in ${file}: ${answer.lines} lines.`,
      `Anybody who has the file can verify it with "federate history verify ${file}", or without Federate: docs/history.md.`,
    ].join('\n'),
  );
}

function tellStory({ events, links, newest_head: newest }: StoryDocument): string {
  const lines = events.map(
    ({ at, trust_domain: name, kind, actor, message }) =>
      `${at.slice(0, 19)}Z  ${name ?? '-'}  ${kind}  ${message} (${actor})`,
  );
  const signed =
    newest === null
      ? 'no head of it was noted yet'
      : newest.signer === null
        ? `noted up to link ${newest.number}, unsigned: the agent has no SVID`
        : `signed up to link ${newest.number} by ${newest.signer} at ${newest.signed_at.slice(0, 19)}Z`;
  return [
    ...lines,
    '',
    `${links} links in the chain; ${signed}. "federate history verify" verifies it.`,
  ].join('\n');
}

function tellTrusted({ instant, trusted }: TrustedAtDocument): string {
  if (trusted.length === 0) return `Nothing was trusted at ${instant}.`;
  return [`Trusted at ${instant}:`, ...trusted.flatMap((each) => ['', ...tellBundle(each)])].join('\n');
}

function tellBundle(bundle: TrustedDocument): string[] {
  const out = new Map(bundle.distrusted.map((key) => [key.key_fingerprint, key]));
  const distrustedNote = (fingerprint: string) => {
    const key = out.get(fingerprint);
    return key ? `  distrusted since ${key.since.slice(0, 19)}Z: ${key.reason}` : '';
  };
  return [
    `${bundle.trust_domain}  version ${bundle.version}, sequence ${bundle.sequence ?? '-'}, since ${bundle.received_at.slice(0, 19)}Z from ${bundle.origin} (${bundle.verdict})`,
    ...bundle.x509_authorities.map(
      ({ fingerprint, key_fingerprint: key, subject, not_after: end }) =>
        `    root  sha256:${fingerprint}  ${subject || '(no subject)'}, until ${end.slice(0, 10)}${distrustedNote(key)}`,
    ),
    ...bundle.jwt_key_ids.map((id) => `    JWT key  ${id}`),
    ...(bundle.x509_authorities.length + bundle.jwt_key_ids.length === 0 ? ['    no key at all'] : []),
  ];
}
