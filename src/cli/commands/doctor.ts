import type { Command } from 'commander';
import type { AgentAnswers, ConsulToExamine, Examination } from '../../app/index.ts';
import { hasCode } from '../../errors/index.ts';
import { eachOf, type AgentOptions, agentFor, withAgent, withOutput } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { hintFor } from '../hints.ts';
import { withProgress } from '../progress.ts';
import { type OutputFormat, type Terminal, UsageError } from '../terminal.ts';
import type { View } from '../view.ts';

type Finding = Examination['findings'][number];

/** An agent that hangs must not hold the examination. */
const ANSWER_MS = 10_000;

interface CommonOptions {
  readonly config?: string;
  readonly ignore?: readonly string[];
  readonly output: OutputFormat;
}

interface IstioOptions extends CommonOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
}

interface ConsulOptions extends CommonOptions {
  readonly address?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly identity?: readonly string[];
  readonly to?: string;
}

const AFTER = `
Nothing is changed. Exit code 0 when nothing is wrong, 1 when something is (what
could not be looked at counts too), 2 for wrong usage. A finding that is known
and meant is left out with --ignore CODE.`;

/**
 * `federate doctor`: what is wrong with this agent; and what stands in the way of foreign identities
 * in a mesh, or lets in more than it should.
 */
export function doctorCommand(program: Command, terminal: Terminal): void {
  const doctor = withKnown(withAgent(program.command('doctor')))
    .description('look at this agent, or at its mesh, change nothing, and say what is wrong and what to do')
    .option('-c, --config <file>', 'its config; with it, an agent that is down is examined too')
    .addHelpText(
      'after',
      `
Without a verb it examines the agent: versions, config, keys and their modes, ends of
certificates, disks, store, clock, our own URL, and each peer as a poll would. Run it
as the user of the agent.
${AFTER}

Examples:
  $ federate doctor
  $ federate doctor --config /etc/federate/agent.yaml
  $ federate doctor --output json | jq -r '.findings[] | .code + " " + .message'
  $ federate doctor istio --config /etc/federate/agent.yaml`,
    )
    .action(async (options: AgentOptions & CommonOptions) => {
      const agent = await answersOf(options);
      const { examineAgent } = await import('../../app/index.ts');
      const examined = await withProgress(terminal, 'checking', (report) =>
        examineAgent({ configFile: options.config, agent, onStep: report }),
      );
      const findings = examined.findings.map((each) => withHint(each));
      report({ mesh: 'agent', examined: examined.examined, findings }, options);
    });
  const report = (examination: Report, { ignore = [] }: CommonOptions) => {
    const findings = examination.findings.filter(({ code }) => !ignore.includes(code));
    const healthy = !findings.some(({ level }) => level === 'wrong');
    const document = {
      ...examination,
      healthy,
      findings,
      ignored: examination.findings.length - findings.length,
    };
    terminal.result(document, (view) => textOf(terminal.clean(document), view));
    if (!healthy) terminal.exitCode = exitCodes.failed;
  };

  common(doctor.command('istio'))
    .description(
      'name the missing flag or the policy trap of an Istio mesh: multiroot, xDS agent, permissive mTLS, rules without a trust domain, empty subjectAltNames, ambient',
    )
    .option(
      '--kubeconfig <file>',
      'kubeconfig; without it that of --config, of KUBECONFIG, or ~/.kube/config',
    )
    .option('--context <name>', 'context of the kubeconfig')
    .option('--namespace <name>', 'namespace of istiod (default: istio-system)')
    .addHelpText(
      'after',
      `${AFTER}
Without any kubeconfig the service account of the pod is used.
It needs to list configmaps and deployments of that namespace, and namespaces,
peerauthentications, authorizationpolicies, destinationrules and serviceentries.

Examples:
  $ federate doctor istio --config /etc/federate/agent.yaml
  $ federate doctor istio --kubeconfig ~/.kube/config --context prod --ignore ambient-namespace
  $ federate doctor istio --kubeconfig kubeconfig --output json | jq -r '.findings[].code'`,
    )
    .action(async ({ config, ...options }: IstioOptions) => {
      const { examineIstioMesh } = await import('../../app/index.ts');
      report(await examineIstioMesh({ configFile: config, ...options }), options);
    });

  common(doctor.command('consul'))
    .description('say why a foreign identity cannot pass the intentions of a Consul mesh, and what does')
    .option('--address <url>', 'base URL of the HTTP API (default: http://127.0.0.1:8500)')
    .option('--token-file <file>', 'file with an ACL token; reading is enough')
    .option('--ca-file <file>', "PEM file with what signs the API's certificate, for https")
    .option('--identity <spiffe id>', 'a foreign identity to ask about; again for each further one', eachOf)
    .option('--to <service>', 'the Consul service it wants to reach')
    .addHelpText(
      'after',
      `${AFTER}

Examples:
  $ federate doctor consul --config /etc/federate/agent.yaml
  $ federate doctor consul --address http://127.0.0.1:8500 --token-file reader.token \\
      --identity spiffe://west.example/ns/shop/sa/web --to info`,
    )
    .action(async (options: ConsulOptions) => {
      const { config, identity = [], to, address } = options;
      if (address !== undefined && !/^https?:$/.test(URL.parse(address)?.protocol ?? ''))
        throw new UsageError('--address is an http or https URL, such as http://127.0.0.1:8500');
      if (to !== undefined && identity.length === 0 && config === undefined)
        throw new UsageError('--to goes with --identity: who wants to reach it?');
      const { parseSpiffeId } = await import('../../spiffe/index.ts');
      const { examineConsulMesh } = await import('../../app/index.ts');
      const asked: ConsulToExamine = {
        configFile: config,
        address,
        tokenFile: options.tokenFile,
        caFile: options.caFile,
        identities: identity.map((text) => parseSpiffeId(text)),
        service: to,
      };
      report(await examineConsulMesh(asked), options);
    });
}

/** The examination of a mesh, or of the agent itself. */
type Report = Pick<Examination, 'examined' | 'findings'> & { readonly mesh: Examination['mesh'] | 'agent' };

/**
 * What the agent answers; undefined where none does and its config is named. Rejects with
 * `agent-unreachable` where nothing says which agent is meant.
 */
async function answersOf(options: AgentOptions & CommonOptions): Promise<AgentAnswers | undefined> {
  let socket = options.socket;
  if (options.config !== undefined) {
    const { agentConfigSchema, readConfig } = await import('../../config/index.ts');
    socket = readConfig(options.config, agentConfigSchema).config.admin_socket;
  }
  const agent = agentFor({ ...options, socket }, { timeoutMs: ANSWER_MS });
  try {
    const status = await agent.call('GET /v1/status');
    const about = await agent.call('GET /v1/about').catch((error: unknown) => {
      // An older agent does not know the question.
      if (hasCode(error, 'not-found')) return undefined;
      throw error;
    });
    return { status, about };
  } catch (error) {
    if (options.config === undefined || !hasCode(error, 'agent-unreachable')) throw error;
    return undefined;
  }
}

/** What to do, from the hints of the command where the finding itself does not say it. */
function withHint(finding: Finding): Finding {
  const { advice, code, where, level } = finding;
  if (advice !== undefined || level === 'note') return finding;
  const more =
    where === undefined ? 'docs/operations.md has the codes' : `"federate show ${where}" has the details`;
  return { ...finding, advice: hintFor(code, where) ?? more };
}

function withKnown(command: Command): Command {
  return command.option(
    '--ignore <code>',
    'leave out findings with this code; again for each further one',
    eachOf,
  );
}

function common(command: Command): Command {
  return withKnown(
    withOutput(command).option(
      '-c, --config <file>',
      'config of the agent beside that mesh; tells where the mesh is',
    ),
  );
}

function textOf(
  { mesh, examined, findings, ignored }: Report & { readonly ignored: number },
  view: View,
): string {
  const count = findings.filter(({ level }) => level === 'wrong').length;
  const lines = [`Looked at (${mesh}): ${examined.length > 0 ? examined.join('; ') : 'nothing'}.`, ''];
  for (const { level, code, where, message, advice } of findings) {
    lines.push(
      `${level === 'wrong' ? view.paint('red', 'WRONG') : 'note '} ${where === undefined ? '' : `${where}: `}${view.words(message)} [${code}]`,
    );
    if (advice !== undefined) lines.push(`      → ${advice}`);
  }
  if (findings.length > 0) lines.push('');
  lines.push(
    count === 0 ? 'Nothing is wrong.' : `${count} ${count === 1 ? 'thing is' : 'things are'} wrong.`,
  );
  if (ignored > 0)
    lines.push(`${ignored} ${ignored === 1 ? 'finding was' : 'findings were'} left out by --ignore.`);
  return lines.join('\n');
}
