import type { Command } from 'commander';
import type { HistoryReport } from '../../store/index.ts';
import { eachOf, type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { withProgress } from '../progress.ts';
import { renderFields } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { Evidence } from '../verify-history.ts';
import type { View } from '../view.ts';

interface VerifyOptions extends AgentOptions, Evidence {}

/** `federate history verify [STORE|EXPORT]`. */
export function addVerify(history: Command, terminal: Terminal): void {
  withAgent(history.command('verify [file]'))
    .description(
      'whether a store or an export is what was written: every row, its place, and the heads that were signed; without a file, the store of the agent',
    )
    .option(
      '--bundle <file>',
      "the agent's own bundle, from a channel you trust: heads must be signed under it",
    )
    .option('--trust-domain <name>', 'whose bundle that is, where the file does not say')
    .option(
      '--heads <file>',
      'heads of this history that another party kept, such as an older export or those a peer keeps; again for more',
      eachOf,
    )
    .addHelpText(
      'after',
      `
Exit code 0 when it is sound, 1 when something was changed, removed, moved, put in
or cut off; the answer says what and where. The file is read by this command itself: a store
may be in use by an agent, nothing is written.

Without --bundle the heads rest on the bundles in the history itself, which the owner of
the store could write again, heads and all. With it, only who has the agent's
key as well could; with heads that peers kept, nobody.

Examples:
  $ federate history verify
  $ federate history verify /var/lib/federate/federate.db --bundle roots.pem
  $ federate history verify evidence.jsonl --heads kept-by-b.jsonl`,
    )
    .action(async (file: string | undefined, options: VerifyOptions) => {
      const path = file ?? (await agentFor(options).call('GET /v1/history/place')).store;
      const { verifyFile } = await import('../verify-history.ts');
      const report = await withProgress(terminal, `verifying ${path}`, (tell) =>
        verifyFile(path, options, (links) => tell(`${links} links`)),
      );
      const clean = terminal.clean(report);
      const answer = describeReport(path, clean);
      terminal.result(answer, (view) => textOfReport(path, clean, view));
      if (report.found !== 0) terminal.exitCode = exitCodes.failed;
    });
}

function describeReport(file: string, report: HistoryReport) {
  const { links, head = null, heads, newestSigned: newest, findings, found } = report;
  return {
    file,
    sound: found === 0,
    links,
    head,
    heads,
    newest_signed_head: newest
      ? {
          number: newest.number,
          at: newest.at.toISOString(),
          signer: newest.signer,
          rooted_in: newest.rootedIn,
        }
      : null,
    findings: findings.map(({ code, row = null, message }) => ({ code, row, message })),
    found,
  };
}

function textOfReport(path: string, report: HistoryReport, view: View): string {
  const { links, heads, newestSigned: newest, findings, found } = report;
  const fields = renderFields(
    [
      ['history', path],
      ['links', `${links}`],
      [
        'heads',
        heads.signed + heads.unsigned === 0 ? 'none' : `${heads.signed} signed, ${heads.unsigned} unsigned`,
      ],
      [
        'signed',
        newest &&
          `up to link ${newest.number}, by ${newest.signer} at ${view.at(newest.at)}, proven by ${newest.rootedIn}`,
      ],
      ['not signed', signedGap(links, newest?.number)],
    ],
    view,
  );
  const verdict =
    found === 0
      ? [`${view.paint('green', 'Sound')}: every row is what was written, and where it was written.`]
      : [
          `${view.paint('red', 'NOT SOUND')}: ${found === 1 ? 'one thing is' : `${found} things are`} wrong.`,
          ...findings.map(({ code, message }) => `  ${view.words(message)} [${code}]`),
          ...(found > findings.length ? [`  and ${found - findings.length} more`] : []),
        ];
  return [fields, '', ...verdict].join('\n');
}

function signedGap(links: number, number: number | undefined): string | undefined {
  if (number === undefined)
    return 'no head is signed: a process that can write the file could have written all of it again';
  if (number >= links) return undefined;
  return `link${links - number === 1 ? '' : 's'} ${number + 1 === links ? '' : `${number + 1} to `}${links}, newer than the head`;
}
