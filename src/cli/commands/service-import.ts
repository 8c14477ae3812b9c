import type { Command } from 'commander';
import type { ImportDocument, PeerOffersDocument } from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { renderFields, renderTable } from '../table.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import type { View } from '../view.ts';
import { addReviewVerb } from './service-review.ts';

interface ImportOptions extends AgentOptions {
  readonly from: string;
  readonly name?: string;
  readonly as?: string;
  readonly namespaces?: string;
}

/** The verbs for services of peers. */
export function addImportVerbs(service: Command, terminal: Terminal): void {
  addOffers(service, terminal);
  addImport(service, terminal);
  addDrop(service, terminal);
  addReviewVerb(service, terminal);
}

function addOffers(service: Command, terminal: Terminal): void {
  withAgent(service.command('offers [peer]'))
    .description('what peers offer us: identities, ports, who may call; the peers are asked now')
    .addHelpText(
      'after',
      `
Nothing is used before "federate service import". A peer that exports nothing to us
looks like a peer that exchanges no services.

Examples:
  $ federate service offers
  $ federate service offers b.example --output json | jq -r ".services[].service"`,
    )
    .action(async (name: string | undefined, options: AgentOptions) => {
      const agent = agentFor(options);
      if (name === undefined) {
        const all = await agent.call('GET /v1/service-offers');
        terminal.result(all, (view) => textOfOffers(all, view));
        return;
      }
      const one = await agent.call('GET /v1/service-offers/{trust_domain}', {
        params: { trust_domain: name },
      });
      terminal.result(one, (view) => textOfPeer(one, view));
    });
}

function addImport(service: Command, terminal: Terminal): void {
  withAgent(service.command('import <service>'))
    .description('use a service that a peer offers: our mesh gets it under a name, which is printed')
    .requiredOption('--from <peer>', 'the owner of the service')
    .option('--name <host>', 'the host name that callers here use; default <service>.<alias>.<suffix>')
    .option('--as <alias>', "the owner's label in that name; default the first label of its trust domain")
    .option('--namespaces <list>', 'only these namespaces see the name, joined by commas; default all')
    .addHelpText(
      'after',
      `
The name is never one of our own services, of another import or of a local network.
Importing again changes the name and the namespaces. Exit code 1: nothing was imported.

Examples:
  $ federate service import info --from b.example
  $ federate service import info --from b.example --name remarks.weather.example
  $ federate service import web.shop --from b.example --as west --namespaces front,back`,
    )
    .action(async (id: string, { from, name, as, namespaces, ...options }: ImportOptions) => {
      if (name !== undefined && as !== undefined)
        throw new UsageError('--name and --as exclude each other: the alias is a part of the default name');
      const imported = await agentFor(options).call('POST /v1/imports', {
        body: { service: id, from, ...defined({ name, alias: as, namespaces: listIn(namespaces) }) },
      });
      terminal.result(imported, (view) => textOfImported(imported, options, view));
    });
}

function addDrop(service: Command, terminal: Terminal): void {
  withAgent(service.command('drop <import>'))
    .description('stop using a service of a peer: connections drain, then our mesh forgets it')
    .option('--from <peer>', 'the owner, where several peers have such a service')
    .addHelpText(
      'after',
      `
<import> is the name that callers use, or the ID of the service.

Examples:
  $ federate service drop info.b.federated
  $ federate service drop info --from b.example`,
    )
    .action(async (name: string, { from, ...options }: AgentOptions & { readonly from?: string }) => {
      const dropped = await agentFor(options).call('POST /v1/dropped-imports', {
        body: { name, ...defined({ from }) },
      });
      terminal.result(dropped, (view) => textOfDropped(dropped, view));
    });
}

function listIn(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new UsageError('--namespaces is a list of names, joined by commas');
}

function textOfOffers(offers: readonly PeerOffersDocument[], view: View): string {
  if (offers.length === 0)
    return 'No peer can be asked: an offer needs a relationship whose endpoint or agent has a SPIFFE ID.';
  return offers.map((each) => textOfPeer(each, view)).join('\n\n');
}

function textOfPeer(offers: PeerOffersDocument, view: View): string {
  const { trust_domain: peer, services, sequence, expires_at: expires, last_answer: last } = offers;
  const head = view.paint('bold', peer);
  const trouble =
    last === null || last.code === null
      ? ''
      : `\n  ${last.outcome}: ${view.words(last.message ?? '')} [${last.code}]`;
  if (services.length === 0) return `${head}: offers nothing to us${trouble}`;
  const rows = services.flatMap((service) =>
    service.ports.map((port, index) =>
      index === 0
        ? [
            service.service,
            service.state,
            portText(port),
            service.imported_as ?? '-',
            service.may_call.length === 0 ? 'nobody' : service.may_call.join(', '),
            service.spiffe_ids.join(', '),
          ]
        : ['', '', portText(port), '', '', ''],
    ),
  );
  const until = expires === null ? '' : `, valid until ${view.at(expires)}`;
  const table = renderTable(['SERVICE', 'STATE', 'PORT', 'IMPORTED AS', 'MAY CALL', 'IDENTITY'], rows, view);
  return `${head}: list ${sequence ?? '-'}${until}${trouble}\n${table}`;
}

function portText({ name, port, protocol }: PeerOffersDocument['services'][number]['ports'][number]): string {
  return `${name} ${port}/${protocol}`;
}

function textOfImported(imported: ImportDocument, called: CalledWith, view: View): string {
  const { name, service, trust_domain: owner, state, reason, ports, namespaces } = imported;
  const [port] = ports;
  const scheme = port === undefined || port.protocol === 'tcp' ? '' : 'http://';
  const call = port === undefined ? name : `${scheme}${name}:${port.port}`;
  const fields = renderFields(
    [
      ['name to call', call],
      ['answered by', imported.spiffe_ids.join(', ')],
      ['ports', ports.map(portText).join(', ')],
      ['seen by', namespaces.includes('*') ? 'all namespaces' : namespaces.join(', ')],
      ['state', reason === null ? state : `${state}: ${reason.message} [${reason.code}]`],
    ],
    view,
  );
  return `Imported ${service} of ${owner}.\n${fields}\nWhether the mesh has it: ${nextStep(called, 'status')}`;
}

function textOfDropped({ name, drain_until: until }: ImportDocument, view: View): string {
  return until === null
    ? `Dropped ${name}.`
    : `Dropped ${name}: open connections drain until ${view.at(until)}, then our mesh forgets it.`;
}
