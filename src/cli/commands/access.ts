import type { Command } from 'commander';
import type { AccessPolicyDocument, AccessRuleDocument } from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, eachOf, withAgent } from '../agent-options.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { View } from '../view.ts';
import { checkCommand } from './access-check.ts';
import { compileCommand } from './access-compile.ts';

interface RuleOptions extends AgentOptions {
  readonly service: string;
  readonly from: readonly string[];
  readonly id?: string;
  readonly ports?: readonly string[];
  readonly methods?: readonly string[];
  readonly paths?: readonly string[];
  readonly headers?: readonly string[];
}

/** `federate access`: who may call our services, and one policy for all meshes. */
export function accessCommand(program: Command, terminal: Terminal): void {
  const access = program
    .command('access')
    .description('who may call a service of ours: rules, their check, and the objects of each mesh');
  ruleCommand(access, terminal, 'allow');
  ruleCommand(access, terminal, 'deny');
  revokeCommand(access, terminal);
  listCommand(access, terminal);
  showCommand(access, terminal);
  checkCommand(access, terminal);
  compileCommand(access, terminal);
}

function ruleCommand(access: Command, terminal: Terminal, effect: 'allow' | 'deny'): void {
  withAgent(access.command(effect))
    .description(
      effect === 'allow'
        ? 'let callers in; without a rule nobody may call'
        : 'keep callers out; this wins over every "allow"',
    )
    .requiredOption('--service <service>', 'the ID of the service')
    .requiredOption(
      '--from <caller>',
      'a SPIFFE ID with a path, or a trust domain for all of its identities; again for each further one',
      eachOf,
    )
    .option('--id <name>', 'names the rule; left out: rule- and the next number')
    .option('--ports <names>', 'names of ports, with commas; left out: all', listed)
    .option('--methods <methods>', 'such as GET,POST', listed)
    .option('--paths <paths>', 'such as /remarks, or /v1/* for all below it', listed)
    .option('--headers <header>', '"name: value", or "name"; again for each further one', eachOf)
    .addHelpText(
      'after',
      effect === 'allow'
        ? `
Examples:
  $ federate access allow --service info --methods GET --paths /remarks \\
      --from spiffe://istio.example/ns/weather/sa/backend
  $ federate access allow --service web.shop --from b.example --id whole-peer`
        : `
Example:
  $ federate access deny --service web.shop --from spiffe://b.example/ns/x/sa/test`,
    )
    .action(async (options: RuleOptions) => {
      const { service, from, id, ports, methods, paths, headers } = options;
      const body = { service, effect, from, ...defined({ id, ports, methods, paths, headers }) };
      const rule = await agentFor(options).call('POST /v1/access', { body });
      terminal.result(rule, () => `${rule.service}: ${ruleText(rule)}`);
      if (terminal.format === 'text')
        for (const { code, message } of rule.warnings) terminal.err(`WARNING: ${message} [${code}]`);
    });
}

function revokeCommand(access: Command, terminal: Terminal): void {
  withAgent(access.command('revoke <rule>'))
    .description('take a rule away')
    .requiredOption('--service <service>', 'the ID of the service')
    .addHelpText('after', '\nExample:\n  $ federate access revoke rule-1 --service info')
    .action(async (id: string, options: AgentOptions & { readonly service: string }) => {
      const { service } = options;
      const answer = await agentFor(options).call('POST /v1/revoked-access', { body: { service, id } });
      terminal.result(answer, () => `The rule ${answer.id} of ${answer.service} is gone.`);
    });
}

function listCommand(access: Command, terminal: Terminal): void {
  withAgent(access.command('list'))
    .description('every rule of every service')
    .addHelpText('after', '\nExample:\n  $ federate access list')
    .action(async (options: AgentOptions) => {
      const all = await agentFor(options).call('GET /v1/access');
      terminal.result(all, (view) => textOfAll(all, view));
    });
}

function showCommand(access: Command, terminal: Terminal): void {
  withAgent(access.command('show <service>'))
    .description('the rules of one service in full')
    .addHelpText('after', '\nExample:\n  $ federate access show info')
    .action(async (service: string, options: AgentOptions) => {
      const one = await agentFor(options).call('GET /v1/access/{service}', { params: { service } });
      terminal.result(one, (view) => textOfOne(one, view));
    });
}

function textOfAll(all: readonly AccessPolicyDocument[], view: View): string {
  const rows = all.flatMap(({ service, rules }) =>
    rules.length === 0
      ? [[service, '-', '-', 'nobody may call']]
      : rules.map((rule) => [service, rule.id, rule.effect, conditionsOf(rule)]),
  );
  if (rows.length === 0) return 'No service has a rule, so no peer may call anything.';
  return renderTable(['SERVICE', 'RULE', 'EFFECT', 'WHO AND WHAT'], rows, view);
}

function textOfOne({ service, rules, in_mesh: inMesh }: AccessPolicyDocument, view: View): string {
  const lines = rules.map(
    (rule) =>
      `${ruleText(rule)}\n    since ${view.at(rule.since)} by ${rule.actor}${rule.unfit === null ? '' : `\n    ${view.paint('red', 'does not count')}: ${rule.unfit}`}`,
  );
  const mesh =
    inMesh === null
      ? 'our mesh has nothing of it'
      : `in our mesh: ${inMesh.state}${inMesh.message === null ? '' : `, ${inMesh.message}`}${inMesh.code === null ? '' : ` [${inMesh.code}]`}`;
  return [
    view.paint('bold', service),
    ...(lines.length === 0 ? ['no rule: nobody may call'] : lines),
    mesh,
  ].join('\n');
}

function ruleText(rule: AccessRuleDocument): string {
  return `${rule.id} ${rule.effect === 'allow' ? 'lets in' : 'keeps out'} ${conditionsOf(rule)}`;
}

function conditionsOf({ from, ports, methods, paths, headers, unfit }: AccessRuleDocument): string {
  return [
    from.join(' '),
    ...(ports ? [`on ${ports.join(' ')}`] : []),
    ...(methods ? [methods.join(' ')] : []),
    ...(paths ? [paths.join(' ')] : []),
    ...(headers ? [`with ${headers.join(', ')}`] : []),
    ...(unfit === null ? [] : ['(does not count)']),
  ].join(' ');
}

function listed(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), ...text.split(',').map((each) => each.trim())];
}
