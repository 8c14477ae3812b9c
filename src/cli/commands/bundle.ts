import type { Command } from 'commander';
import { basename } from 'node:path';
import type {
  BundleDocument,
  BundleSetDocument,
  DiffDocument,
  DistrustedKeyDocument,
  HistoryDocument,
} from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { renderFields, renderTable } from '../table.ts';
import { countOf, instantOf } from '../instants.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { printableJson } from '../../platform/index.ts';
import type { Terminal } from '../terminal.ts';
import type { View } from '../view.ts';
import { readText } from '../named-file.ts';
import { addSignCommand } from './bundle-sign.ts';

/**
 * `federate bundle show | history | diff | set | sign`: the bundle of a trust domain, now, at an
 * instant, and how it came to be.
 */
export function bundleCommand(program: Command, terminal: Terminal): void {
  const bundle = program
    .command('bundle')
    .description('the bundle of a trust domain: now, at an instant, its history; set by hand, signed');
  addShow(bundle, terminal);
  addHistory(bundle, terminal);
  addDiff(bundle, terminal);
  addSet(bundle, terminal);
  addSignCommand(bundle, terminal);
}

function addShow(bundle: Command, terminal: Terminal): void {
  withAgent(bundle.command('show [trust-domain]'))
    .description('the bundle held of a trust domain; without a name, our own')
    .option('--at <instant>', 'the one that was trusted at that instant, such as 2026-11-21T10:00:00Z')
    .option('--document', 'print the SPIFFE bundle document itself and nothing else')
    .addHelpText(
      'after',
      '\nExamples:\n  $ federate bundle show b.example\n  $ federate bundle show b.example --document > b.json',
    )
    .action(
      async (
        name: string | undefined,
        options: AgentOptions & { readonly at?: string; readonly document?: boolean },
      ) => {
        const agent = agentFor(options);
        const at = options.at === undefined ? undefined : instantOf(options.at, '--at').toISOString();
        const shown = await agent.call('GET /v1/bundles/{trust_domain}', {
          params: { trust_domain: name ?? (await ownName(agent)) },
          query: { at },
        });
        if (options.document === true) terminal.out(printableJson(shown.document));
        else {
          // `federate history` shows what was distrusted at a past instant.
          const distrusted = options.at === undefined ? await agent.call('GET /v1/distrusted') : [];
          terminal.result(shown, (view) => textOfBundle(shown, distrusted, view));
        }
      },
    );
}

function addHistory(bundle: Command, terminal: Terminal): void {
  withAgent(bundle.command('history [trust-domain]'))
    .description('every version of a bundle, newest first, and what went wrong between them')
    .option('--limit <count>', 'how many versions at the most', '20')
    .addHelpText('after', '\nExample:\n  $ federate bundle history b.example --limit 5')
    .action(async (name: string | undefined, options: AgentOptions & { readonly limit: string }) => {
      const agent = agentFor(options);
      const limit = countOf(options.limit, '--limit', 1000);
      const history = await agent.call('GET /v1/bundles/{trust_domain}/history', {
        params: { trust_domain: name ?? (await ownName(agent)) },
        query: { limit },
      });
      terminal.result(history, (view) => textOfHistory(history, view));
    });
}

function addDiff(bundle: Command, terminal: Terminal): void {
  withAgent(bundle.command('diff <trust-domain>'))
    .description('what changed between two versions; without numbers, between the newest and the one before')
    .option('--from <version>', 'version number to compare from')
    .option('--to <version>', 'version number to compare to')
    .addHelpText('after', '\nExample:\n  $ federate bundle diff b.example --from 1 --to 3')
    .action(
      async (name: string, options: AgentOptions & { readonly from?: string; readonly to?: string }) => {
        const diff = await agentFor(options).call('GET /v1/bundles/{trust_domain}/diff', {
          params: { trust_domain: name },
          query: { from: versionOf(options.from, '--from'), to: versionOf(options.to, '--to') },
        });
        terminal.result(diff, (view) => textOfDiff(diff, view));
      },
    );
}

function addSet(bundle: Command, terminal: Terminal): void {
  withAgent(bundle.command('set <trust-domain> <file>'))
    .description(
      "put a bundle of a peer by hand in the place of the held one, on record, until the peer's next good answer",
    )
    .option('--reason <text>', 'why, for the audit log')
    .addHelpText(
      'after',
      `
Examples:
  $ federate bundle set b.example b.json --reason "root key lost, new one by courier"
  $ federate bundle set b.example - < roots.pem

The file is a SPIFFE bundle document or CA certificates in PEM; "-" is standard
input. The way out when an endpoint can no longer be authenticated: what is given
here authenticates it from now on. "federate bundle show --document" on the peer's
side prints its bundle.`,
    )
    .action(async (name: string, file: string, options: AgentOptions & { readonly reason?: string }) => {
      const { reason } = options;
      const answer = await agentFor(options).call('PUT /v1/bundles/{trust_domain}', {
        params: { trust_domain: name },
        body: {
          document: readText(file, '<file>'),
          name: file === '-' ? 'standard input' : basename(file),
          ...defined({ reason }),
        },
      });
      terminal.result(answer, (view) => textOfSet(answer, options, view));
    });
}

function textOfSet(
  { trust_domain: name, version, poll }: BundleSetDocument,
  called: CalledWith,
  view: View,
): string {
  const lines = [`The bundle of ${name} is now the one you gave, as version ${version}.`];
  if (poll.code !== null)
    lines.push(
      `Its endpoint could not be polled with it yet [${poll.code}]: ${view.words(poll.message ?? '')}`,
    );
  else if (poll.outcome === 'accepted')
    lines.push('Its endpoint was polled with it and offered another, which is in use now.');
  lines.push(`See it with "${nextStep(called, 'bundle', 'history', name)}".`);
  return lines.join('\n');
}

/** The number of a version. Throws `UsageError`. */
function versionOf(text: string | undefined, option: string): number | undefined {
  return text === undefined ? undefined : countOf(text, option, 999_999_999);
}

async function ownName(agent: ReturnType<typeof agentFor>): Promise<string> {
  const { trust_domain: name } = await agent.call('GET /v1/status');
  return name ?? '';
}

function textOfBundle(
  bundle: BundleDocument,
  distrusted: readonly DistrustedKeyDocument[],
  view: View,
): string {
  const fields = renderFields(
    [
      ['trust domain', bundle.trust_domain],
      ['sequence', `${bundle.sequence ?? 'none'} (version ${bundle.version})`],
      ['received', `${view.at(bundle.received_at)} from ${bundle.origin} (${bundle.verdict})`],
      ['refresh hint', bundle.refresh_hint_seconds === null ? 'none' : `${bundle.refresh_hint_seconds}s`],
      ['pin', bundle.pin],
      ...bundle.left_out.map(({ message, code }): [string, string] => [
        'NOT USED',
        `${view.words(message)} [${code}]`,
      ]),
      ['JWT keys', bundle.jwt_key_ids.length === 0 ? undefined : bundle.jwt_key_ids.join(', ')],
      ...distrusted
        .filter((key) => key.trust_domain === bundle.trust_domain)
        .map((key): [string, string] => [
          'DISTRUSTED',
          `${key.label} since ${view.at(key.since)}${key.until === null ? '' : ` until ${view.at(key.until)}`}: it does not count`,
        ]),
    ],
    view,
  );
  const roots = bundle.x509_authorities.flatMap((authority) => [
    '',
    `root  ${authority.subject === '' ? '(no subject)' : authority.subject}`,
    `      certificate  sha256:${authority.fingerprint}`,
    `      public key   sha256:${authority.key_fingerprint}`,
    `      valid        ${view.at(authority.not_before)} to ${view.at(authority.not_after)}`,
  ]);
  return [
    fields,
    ...(roots.length === 0 ? ['', 'No X.509 root: every X509-SVID of this trust domain is refused.'] : roots),
  ].join('\n');
}

function textOfHistory(history: HistoryDocument, view: View): string {
  const lines = [
    ...history.versions.flatMap((version) => [
      {
        at: version.received_at,
        text: [
          `${view.at(version.received_at)}  version ${version.version}, sequence ${version.sequence ?? '-'} (${version.verdict}) from ${version.origin}`,
          ...version.added.map((key) => `    + ${key.label}`),
          ...version.removed.map((key) => `    - ${key.label}`),
        ].join('\n'),
      },
    ]),
    ...history.incidents.map((incident) => ({
      at: incident.began_at,
      text: `${view.at(incident.began_at)}  ${incident.code}${incident.count > 1 ? ` (${incident.count} times)` : ''}: ${view.words(incident.message)}\n    ${incident.ended_at === null ? 'goes on' : `ended ${view.at(incident.ended_at)}`}`,
    })),
  ];
  if (lines.length === 0) return `There is no history of ${history.trust_domain}.`;
  return lines
    .sort((a, b) => (a.at < b.at ? 1 : -1))
    .map((line) => line.text)
    .join('\n');
}

function textOfDiff(diff: DiffDocument, view: View): string {
  const rows = [
    ...diff.added.map((key) => ['added', key.kind, key.label]),
    ...diff.removed.map((key) => ['removed', key.kind, key.label]),
    ...diff.kept.map((key) => ['kept', key.kind, key.label]),
  ];
  return `${diff.trust_domain}: version ${diff.from ?? 'none'} → ${diff.to}\n${renderTable(['WHAT', 'KIND', 'KEY'], rows, view)}`;
}
