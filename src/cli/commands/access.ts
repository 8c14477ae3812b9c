import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AccessPolicy, AccessVerdict, Compilation, Target } from '../../services/index.ts';
import { defined } from '../../objects/index.ts';
import { withOutput } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { type OutputFormat, type Terminal, UsageError } from '../terminal.ts';

interface CheckOptions {
  readonly from: string;
  readonly port?: string;
  readonly method?: string;
  readonly path?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly output: OutputFormat;
}

interface CompileOptions {
  readonly for: Target;
  readonly namespace: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly peerName?: Readonly<Record<string, string>>;
  readonly output: OutputFormat;
}

/** Every target. The type makes the list complete, and nothing is loaded for it. */
const TARGETS: Readonly<Record<Target, true>> = {
  istio: true,
  consul: true,
  kuma: true,
  linkerd: true,
  envoy: true,
  kubernetes: true,
  opa: true,
};

/** `federate access`: one policy for all meshes, as a file. */
export function accessCommand(program: Command, terminal: Terminal): void {
  const access = program
    .command('access')
    .description('who may call a service: check a policy file, and write it for a mesh');
  checkCommand(access, terminal);
  compileCommand(access, terminal);
}

function checkCommand(access: Command, terminal: Terminal): void {
  withOutput(access.command('check <policy>'))
    .description('may this caller make this request?')
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
  $ federate access check info.yaml --from spiffe://istio.example/ns/weather/sa/backend \\
      --method GET --path /remarks
  $ federate access check db.yaml --from spiffe://b.example/ns/x/sa/y --port sql`,
    )
    .action(async (file: string, options: CheckOptions) => {
      const { judgeAccess } = await import('../../services/index.ts');
      const { parseSpiffeId } = await import('../../spiffe/index.ts');
      const policy = await readPolicy(file);
      const port = portIn(policy, options.port);
      const verdict = judgeAccess(policy, {
        caller: parseSpiffeId(options.from),
        port,
        ...defined({ method: options.method, path: options.path, headers: options.header }),
      });
      terminal.result({ service: policy.service.id, port, ...verdict }, (view) =>
        verdict.allowed
          ? `${view.paint('green', 'allowed')} by the rule ${verdict.rule}`
          : `${view.paint('red', 'refused')}: ${REASONS[verdict.code](verdict)} [${verdict.code}]`,
      );
      if (!verdict.allowed) terminal.exitCode = exitCodes.failed;
    });
}

type Refused = Extract<AccessVerdict, { allowed: false }>;

const REASONS: Readonly<Record<Refused['code'], (verdict: Refused) => string>> = {
  'denied-by-rule': (verdict) => `the rule ${'rule' in verdict ? verdict.rule : ''} denies it`,
  'no-rule-allows': () => 'no rule allows it',
  'path-ambiguous': () =>
    'servers read this path in several ways ("//", "%", a dot segment, …), so no rule about paths allows it',
};

function compileCommand(access: Command, terminal: Terminal): void {
  withOutput(access.command('compile <policy>'))
    .description('write the policy as the objects that a mesh enforces; writes nothing that allows more')
    .addOption(
      new Option('--for <target>', 'what enforces the policy')
        .choices(Object.keys(TARGETS))
        .makeOptionMandatory(),
    )
    .option('--namespace <namespace>', 'the namespace of the workload', 'default')
    .option(
      '--label <name=value>',
      "a label of the workload's pods; again for each further one",
      pair('a label'),
    )
    .option(
      '--peer-name <trust-domain=name>',
      'for consul: the name of the peering of a trust domain; again for each further one',
      pair('a peering'),
    )
    .addHelpText(
      'after',
      `
Text output is a stream of YAML, for "kubectl apply -f -". What the target cannot
express is refused by name on standard error, and nothing is written in its place:
the exit code is 1 then.

Examples:
  $ federate access compile info.yaml --for istio --namespace weather --label app=info
  $ federate access compile info.yaml --for consul --peer-name c.consul=c-peer
  $ federate access compile info.yaml --for opa --output json`,
    )
    .action(async (file: string, options: CompileOptions) => {
      const { compilers } = await import('../../services/index.ts');
      const { yamlText } = await import('../yaml-text.ts');
      const policy = await readPolicy(file);
      const compilation = compilers[options.for](policy, {
        namespace: options.namespace,
        labels: options.label ?? { app: policy.service.id },
        peerNames: options.peerName ?? {},
      });
      terminal.result({ target: options.for, ...compilation }, () =>
        compilation.objects.map((object) => `---\n${yamlText(object).trimEnd()}`).join('\n'),
      );
      if (terminal.format === 'text') reportFindings(terminal, options.for, compilation);
      if (compilation.refused.length !== 0) terminal.exitCode = exitCodes.failed;
    });
}

function reportFindings(
  terminal: Terminal,
  target: Target,
  { objects, refused, warnings }: Compilation,
): void {
  for (const { code, message } of warnings) terminal.err(`WARNING: ${message} [${code}]`);
  for (const { rule, element, message } of refused)
    terminal.err(`REFUSED: the ${element} of the rule ${rule}: ${message}`);
  if (objects.length === 0)
    terminal.err(`Nothing is written for ${target}: without the refused rule the rest would allow too much.`);
}

/** Throws `ConfigError` with every mistake. */
async function readPolicy(file: string): Promise<AccessPolicy> {
  const { accessPolicySchema, readConfig } = await import('../../config/index.ts');
  return readConfig(file, accessPolicySchema).config;
}

function portIn({ service }: AccessPolicy, name: string | undefined): string {
  const known = service.ports.map((port) => port.name);
  const [only] = known;
  if (name === undefined && known.length === 1 && only !== undefined) return only;
  if (name !== undefined && known.includes(name)) return name;
  throw new UsageError(`give one of the ports of ${service.id} with --port: ${known.join(', ')}`);
}

function pair(what: string) {
  return (
    text: string,
    before: Readonly<Record<string, string>> | undefined,
  ): Readonly<Record<string, string>> => {
    const equals = text.indexOf('=');
    if (equals < 1) throw new InvalidArgumentError(`${what} is "name=value", not ${JSON.stringify(text)}`);
    return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
  };
}
