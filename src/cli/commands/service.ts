import { type Command, InvalidArgumentError, Option } from 'commander';
import type {
  ExportDocument,
  ExportRequestDocument,
  ImportDocument,
  OwnServiceDocument,
} from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, eachOf, withAgent } from '../agent-options.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { addImportVerbs } from './service-import.ts';
import type { View } from '../view.ts';

type Described = NonNullable<ExportRequestDocument['described']>;
type Protocol = NonNullable<Described['ports'][number]['protocol']>;

interface ExportOptions extends AgentOptions {
  readonly to: readonly string[];
  readonly port?: number;
  readonly portName?: string;
  readonly protocol?: Protocol;
  readonly serverFirst?: boolean;
  readonly target?: Described['ports'][number]['target'];
  readonly spiffeId?: readonly string[];
  readonly namespace?: string;
}

/** `federate service`: what peers may see of our services, and what we use of theirs. */
export function serviceCommand(program: Command, terminal: Terminal): void {
  const service = program
    .command('service')
    .description(
      'services that cross between the meshes: what peers may see of ours, and what we use of theirs',
    );
  exportCommand(service, terminal);
  withdrawCommand(service, terminal);
  forgetCommand(service, terminal);
  addImportVerbs(service, terminal);
  listCommand(service, terminal);
}

function exportCommand(service: Command, terminal: Terminal): void {
  withAgent(service.command('export <service>'))
    .description('let peers see a service of ours; before that they see nothing of it')
    .requiredOption('--to <trust-domain>', 'a peer that is to see it; again for each further one', eachOf)
    .option('--port <number>', 'describe the service: the port at which its workload listens', portNumber)
    .option('--port-name <name>', 'the name of that port; left out: its protocol')
    .addOption(
      new Option('--protocol <protocol>', 'what that port speaks').choices(['http', 'http2', 'grpc', 'tcp']),
    )
    .option('--server-first', 'tcp: the server speaks first, as in MySQL')
    .option('--target <host:port>', "where the mesh's own proxies take mTLS for that port", target)
    .option('--spiffe-id <id>', 'an identity that answers; again for each further one', eachOf)
    .option('--namespace <namespace>', 'the namespace of its workloads')
    .addHelpText(
      'after',
      `
A service that the mesh does not report is described with --port, --target and
--spiffe-id, or in the config file (services.services). No caller is let in by an
export: "federate access allow" does that. From then on callers of our own mesh need
a rule too.

Examples:
  $ federate service export info --to istio.example
  $ federate service export web.shop --to b.example --to c.example
  $ federate service export db --to b.example --port 3306 --protocol tcp --server-first \\
      --target 10.0.0.7:15006 --spiffe-id spiffe://a.example/ns/shop/sa/db`,
    )
    .action(async (id: string, options: ExportOptions) => {
      const described = describedBy(options);
      const rows = await agentFor(options).call('POST /v1/exports', {
        body: { service: id, to: options.to, ...defined({ described }) },
      });
      terminal.result(rows, (view) => rows.map((row) => exportedText(row, options, view)).join('\n'));
    });
}

function withdrawCommand(service: Command, terminal: Terminal): void {
  withAgent(service.command('withdraw <service>'))
    .description('end an export: it drains for the time of services.drain, then it is gone')
    .option('--from <trust-domain>', 'only from this peer; again for each further one', eachOf)
    .option('--to <trust-domain>', 'the same as --from', eachOf)
    .addHelpText(
      'after',
      `
A service that drains takes no new connections and keeps the open ones. "federate
service list" shows who still uses it.

Examples:
  $ federate service withdraw info --to istio.example
  $ federate service withdraw web.shop`,
    )
    .action(
      async (
        id: string,
        options: AgentOptions & { readonly from?: readonly string[]; readonly to?: readonly string[] },
      ) => {
        const named = [...(options.from ?? []), ...(options.to ?? [])];
        const from = named.length === 0 ? undefined : named;
        const rows = await agentFor(options).call('POST /v1/withdrawn-exports', {
          body: { service: id, ...defined({ from }) },
        });
        terminal.result(rows, (view) => rows.map((row) => withdrawnText(row, view)).join('\n'));
      },
    );
}

function forgetCommand(service: Command, terminal: Terminal): void {
  withAgent(service.command('forget <service>'))
    .description('forget a service that "service export" described')
    .addHelpText('after', '\nExample:\n  $ federate service forget db')
    .action(async (id: string, options: AgentOptions) => {
      const answer = await agentFor(options).call('POST /v1/forgotten-services', { body: { service: id } });
      terminal.result(answer, () => `${answer.service} is no longer described.`);
    });
}

function listCommand(service: Command, terminal: Terminal): void {
  withAgent(service.command('list'))
    .description('exports and imports: state, who may call, and what the peer and our mesh did with each')
    .option('--own', 'all services of our mesh instead, and why one cannot be exported')
    .addHelpText(
      'after',
      `
Examples:
  $ federate service list
  $ federate service list --own
  $ federate service list --output json | jq -r ".exports[].service"`,
    )
    .action(async (options: AgentOptions & { readonly own?: boolean }) => {
      const agent = agentFor(options);
      if (options.own === true) {
        const own = await agent.call('GET /v1/services');
        terminal.result(own, (view) => textOfOwn(own, view));
        return;
      }
      const [exports, imports] = [await agent.call('GET /v1/exports'), await agent.call('GET /v1/imports')];
      terminal.result(
        { exports, imports },
        (view) => `${textOfExports(exports, options, view)}\n\n${textOfImports(imports, options, view)}`,
      );
    });
}

function exportedText(row: ExportDocument, called: CalledWith, view: View): string {
  const { service, trust_domain: peer, snis, may_call: callers } = row;
  const lines = [
    `${view.paint('green', service)} is exported to ${peer}${snis.length === 0 ? '' : ` under ${snis.join(', ')}`}.`,
  ];
  if (callers.length === 0)
    lines.push(
      'Nobody there may call it yet. Let a caller in with:',
      `  ${nextStep(called, 'access', 'allow', '--service', service, '--from', `spiffe://${peer}/…`)}`,
    );
  return lines.join('\n');
}

function withdrawnText(
  { service, trust_domain: peer, drain_until: until }: ExportDocument,
  view: View,
): string {
  return until === null
    ? `${service} is no longer exported to ${peer}.`
    : `${service} drains for ${peer} until ${view.at(until)}, and is gone there after that.`;
}

function textOfExports(rows: readonly ExportDocument[], called: CalledWith, view: View): string {
  if (rows.length === 0)
    return `No service is exported. "${nextStep(called, 'service', 'list', '--own')}" shows what our mesh has.`;
  return renderTable(
    ['SERVICE', 'TO', 'STATE', 'THERE', 'IN OUR MESH', 'MAY CALL'],
    rows.map((row) => [
      row.service,
      row.trust_domain,
      stateText(row, view),
      row.used === null ? '-' : withCode(row.used.state, row.used.code),
      row.in_mesh === null ? '-' : withCode(row.in_mesh.state, row.in_mesh.code),
      row.may_call.length === 0 ? 'nobody' : row.may_call.join(' '),
    ]),
    view,
  );
}

function textOfImports(rows: readonly ImportDocument[], called: CalledWith, view: View): string {
  if (rows.length === 0)
    return `No service of a peer is used. "${nextStep(called, 'service', 'offers')}" shows what peers offer.`;
  return renderTable(
    ['NAME', 'SERVICE', 'OF', 'STATE', 'IN OUR MESH'],
    rows.map((row) => [
      row.name,
      row.service,
      row.trust_domain,
      withCode(row.state, row.reason?.code ?? null),
      row.in_mesh === null ? '-' : withCode(row.in_mesh.state, row.in_mesh.code),
    ]),
    view,
  );
}

function stateText({ state, reason, drain_until: until }: ExportDocument, view: View): string {
  if (state === 'draining' && until !== null) return `draining until ${view.at(until)}`;
  return state === 'serving' ? view.paint('green', state) : withCode(state, reason?.code ?? null);
}

function withCode(state: string, code: string | null): string {
  return code === null ? state : `${state} [${code}]`;
}

function textOfOwn(services: readonly OwnServiceDocument[], view: View): string {
  if (services.length === 0) return 'Our mesh reports no service, and none is described.';
  return renderTable(
    ['SERVICE', 'PORTS', 'IDENTITIES', 'EXPORTED TO', 'OBSTACLE'],
    services.map((service) => [
      service.service,
      service.ports.map(({ name, port, protocol }) => `${name}:${port}/${protocol}`).join(' '),
      service.spiffe_ids.join(' '),
      service.exported_to.join(' ') || '-',
      service.obstacle === null ? '-' : `${service.obstacle.message} [${service.obstacle.code}]`,
    ]),
    view,
  );
}

/** The service that the options describe; undefined where they describe none. Throws `UsageError`. */
function describedBy(options: ExportOptions): Described | undefined {
  const { port, protocol = 'http', portName, serverFirst, target: at, spiffeId, namespace } = options;
  if (port === undefined && at === undefined && spiffeId === undefined) return undefined;
  if (port === undefined || at === undefined || spiffeId === undefined)
    throw new UsageError('a service is described with --port, --target and --spiffe-id together');
  return {
    ports: [
      { name: portName ?? protocol, port, protocol, target: at, ...defined({ server_first: serverFirst }) },
    ],
    spiffe_ids: spiffeId,
    ...defined({ namespace }),
  };
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError(`a port is a number from 1 to 65535, not ${JSON.stringify(text)}`);
}

function target(text: string): { host: string; port: number } {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  const port = Number(found?.[3]);
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
  throw new InvalidArgumentError(`an address is "host:port", not ${JSON.stringify(text)}`);
}
