import type { Command } from 'commander';
import type { AccessPolicy, AccessVerdict } from '../../services/index.ts';
import { defined } from '../../objects/index.ts';
import { agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { fileOrService, pair, type PolicyOptions, readPolicy } from './access-policy-file.ts';

interface CheckOptions extends PolicyOptions {
  readonly from: string;
  readonly port?: string;
  readonly method?: string;
  readonly path?: string;
  readonly header?: Readonly<Record<string, string>>;
}

/** `federate access check`: one call, judged by a policy file or by the rules of the agent. */
export function checkCommand(access: Command, terminal: Terminal): void {
  withAgent(access.command('check [policy]'))
    .description('may this caller make this request?')
    .option('--service <service>', 'judge by the rules that the agent has, instead of a policy file')
    .requiredOption('--from <id>', "the caller's SPIFFE ID")
    .option('--port <name>', 'the name of the port; left out: the only one')
    .option('--method <method>', 'the method of the request, such as GET')
    .option('--path <path>', 'the path of the request, without its query')
    .option('--header <name=value>', 'a header of the request; again for each further one', pair('a header'))
    .addHelpText(
      'after',
      `
Exit code 0 when the request is allowed, 1 when not. docs/access.md describes
the policy file.

Examples:
  $ federate access check --service info --method GET --path /remarks \\
      --from spiffe://istio.example/ns/weather/sa/backend
  $ federate access check info.yaml --from spiffe://istio.example/ns/weather/sa/backend \\
      --method GET --path /remarks
  $ federate access check db.yaml --from spiffe://b.example/ns/x/sa/y --port sql`,
    )
    .action(async (file: string | undefined, options: CheckOptions) => {
      fileOrService(file, options);
      const answer =
        file === undefined ? await judgeByAgent(options) : await judgeByFile(await readPolicy(file), options);
      terminal.result(answer, (view) => {
        if (answer.allowed) return `${view.paint('green', 'allowed')} by the rule ${answer.rule}`;
        const { code } = answer;
        const why = code === 'denied-by-rule' ? `the rule ${answer.rule} denies it` : REASONS[code];
        return `${view.paint('red', 'refused')}: ${why} [${code}]`;
      });
      if (!answer.allowed) terminal.exitCode = exitCodes.failed;
    });
}

type Code = Extract<AccessVerdict, { allowed: false }>['code'] | 'not-exported';
type Answer = { readonly service: string; readonly port: string } & (
  | { readonly allowed: true; readonly rule: string }
  | { readonly allowed: false; readonly code: Code; readonly rule?: string }
);

const REASONS: Readonly<Record<Exclude<Code, 'denied-by-rule'>, string>> = {
  'no-rule-allows': 'no rule allows it',
  'path-ambiguous':
    'servers read this path in several ways ("//", "%", a dot segment, …), so no rule about paths allows it',
  'not-exported': "the service is not exported to the caller's trust domain",
};

async function judgeByAgent({ service = '', ...options }: CheckOptions): Promise<Answer> {
  const { from, port, method, path, header: headers } = options;
  const { allowed, code, rule, ...about } = await agentFor(options).call('POST /v1/access-check', {
    body: { service, from, ...defined({ port, method, path, headers }) },
  });
  if (allowed) return { ...about, allowed, rule: rule ?? '' };
  return { ...about, allowed, code: code ?? 'no-rule-allows', ...defined({ rule: rule ?? undefined }) };
}

async function judgeByFile(policy: AccessPolicy, options: CheckOptions): Promise<Answer> {
  const { judgeAccess } = await import('../../services/index.ts');
  const { parseSpiffeId } = await import('../../spiffe/index.ts');
  const port = portIn(policy, options.port);
  const verdict = judgeAccess(policy, {
    caller: parseSpiffeId(options.from),
    port,
    ...defined({ method: options.method, path: options.path, headers: options.header }),
  });
  return { service: policy.service.id, port, ...verdict };
}

function portIn({ service }: AccessPolicy, name: string | undefined): string {
  const known = service.ports.map((port) => port.name);
  const [only] = known;
  if (name === undefined && known.length === 1 && only !== undefined) return only;
  if (name !== undefined && known.includes(name)) return name;
  throw new UsageError(`give one of the ports of ${service.id} with --port: ${known.join(', ')}`);
}
