import { basename } from 'node:path';
import type { Command } from 'commander';
import type { StatusDocument, WarningDocument } from '../../admin-client/index.ts';
import { type AgentOptions, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { hanging, renderFields } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { View } from '../view.ts';
import { showOrWatch, type WatchOptions, withWatch } from '../watch.ts';

/** `federate status`: how this agent is, and the line that a peer can use to federate with it. */
export function statusCommand(program: Command, terminal: Terminal): void {
  withWatch(withAgent(program.command('status')))
    .description(
      'how this agent is, and the line with which a peer can federate with it; exit code 1 when not ready',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ federate status
  $ federate status --watch
  $ federate status --output json | jq -r .own.pin`,
    )
    .action(async (options: AgentOptions & WatchOptions) => {
      await showOrWatch(terminal, options, {
        ask: (agent) => agent.call('GET /v1/status'),
        text: textOf,
        exitCode: ({ ready }) => (ready ? exitCodes.done : exitCodes.failed),
      });
    });
}

function textOf(status: StatusDocument, view: View): string {
  const { endpoint, mesh, own, relationships } = status;
  const states = Object.entries(relationships.by_state).map(([state, count]) => `${count} ${state}`);
  const fields = renderFields(
    [
      ['trust domain', status.trust_domain ?? 'not known yet'],
      ['ready', status.ready ? view.paint('green', 'yes') : view.paint('red', 'no')],
      ['since', view.at(status.started_at)],
      [
        'own bundle',
        own === null
          ? 'none yet'
          : `sequence ${own.sequence ?? '-'}, ${own.authorities === 1 ? '1 authority' : `${own.authorities} authorities`}`,
      ],
      ['own pin', own?.pin],
      ['endpoint', `${endpoint.url} (${endpoint.profile})${endpoint.serving ? '' : ', not serving yet'}`],
      ['endpoint ID', endpoint.endpoint_id ?? undefined],
      ['signs as', status.agent_id ?? undefined],
      ...identityFields(status.identity, view),
      ['mesh', `${mesh.kind}, ${mesh.scope} trust, ${contactOf(mesh, view)}`],
      ...proxyFields(status.workload_api),
      ['relationships', relationships.total === 0 ? 'none' : `${relationships.total} (${states.join(', ')})`],
    ],
    view,
  );
  return [
    ...status.warnings.map((warning) => hanging(textOfWarning(warning, view), 4, view)),
    `${fields}${invitation(status)}`,
  ].join('\n');
}

/** Whether the mesh answers, and what is in the way. */
function contactOf({ connected, code, message }: StatusDocument['mesh'], view: View): string {
  if (!connected) return `not connected: ${view.words(message ?? 'no contact yet')}`;
  return message === null ? 'connected' : `connected, but ${view.words(message)} [${code ?? ''}]`;
}

/** Prints a warning. It stands before everything else, because an operator must look at it. */
export function textOfWarning({ code, message, since }: WarningDocument, view: View): string {
  return `${view.paint('yellow', 'WARNING')}  ${view.words(message)} [${code}], since ${view.at(since)}`;
}

/**
 * The agent's own SVID: until when it is good and where the next comes from, or why there is none.
 */
function identityFields(identity: StatusDocument['identity'], view: View): [string, string][] {
  if (identity === null) return [];
  const { source, from, id, not_after: notAfter, code, message } = identity;
  const origin = `${ORIGINS[source]} ${from}`;
  const state =
    id === null
      ? `none, awaited from ${origin}`
      : `until ${notAfter === null ? '-' : view.at(notAfter)}, from ${origin}`;
  // Quoted: the words are the server's own.
  return [
    ['SVID', message === null ? state : `${state}: ${JSON.stringify(view.words(message))} [${code ?? ''}]`],
  ];
}

const ORIGINS = { files: 'the file', sds: 'the SDS socket', 'workload-api': 'the Workload API' } as const;

/**
 * How many proxies are served directly, how many of their secrets are acknowledged, and which proxy
 * refused one.
 */
function proxyFields(served: StatusDocument['workload_api']): [string, string][] {
  if (served === null) return [];
  const { socket, proxies, secrets, secrets_current: current, refused, workload_streams: streams } = served;
  return [
    ['workload socket', socket],
    ['proxies', proxies === 0 ? 'none' : `${proxies}, ${current} of ${secrets} secrets acknowledged`],
    ...refused.map(({ proxy, secret, reason }): [string, string] => [
      'refused by',
      // Quoted: the words are the proxy's own.
      `${proxy === '' ? 'a proxy without a name' : JSON.stringify(proxy)}, ${JSON.stringify(secret)}: ${JSON.stringify(reason)}`,
    ]),
    ['workload streams', streams.toString()],
  ];
}

/** What the other side types, with the pin of the present bundle. */
function invitation({ endpoint, own, trust_domain: trustDomain }: StatusDocument): string {
  if (own === null || trustDomain === null) return '';
  const lines = [
    '',
    '',
    'A peer that trusts this terminal federates with us by:',
    `  federate add --peer ${endpoint.url} \\`,
    `    --trust-domain ${trustDomain} --profile ${endpoint.profile} \\`,
    ...(!endpoint.ca_file ? [] : [`    --ca-file ${basename(endpoint.ca_file)} \\`]),
    ...(endpoint.endpoint_id === null ? [] : [`    --endpoint-id ${endpoint.endpoint_id} \\`]),
    `    --pin ${own.pin}`,
    ...(!endpoint.ca_file ? [] : [`It needs a copy of ${endpoint.ca_file}, the CA of our endpoint.`]),
  ];
  return lines.join('\n');
}
