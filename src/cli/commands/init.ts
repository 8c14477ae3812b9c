import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Answers, InitResult } from '../../app/index.ts';
import { defined } from '../../objects/index.ts';
import { eachOf, withOutput } from '../agent-options.ts';
import { openQuestions } from '../ask.ts';
import { shellWords } from '../next-step.ts';
import { type OutputFormat, type Terminal, UsageError } from '../terminal.ts';

interface InitOptions extends Answers {
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly output: OutputFormat;
}

/** The meshes to choose from; the type makes the list complete without loading the server. */
const MESHES: Readonly<Record<NonNullable<Answers['mesh']>, true>> = {
  files: true,
  istio: true,
  consul: true,
  linkerd: true,
  kuma: true,
  spire: true,
  'simulated-istio': true,
  'simulated-consul': true,
};

/** `federate init`: the config of a new agent, from answers or flags. */
export function initCommand(program: Command, terminal: Terminal): void {
  withOutput(program.command('init [folder]'))
    .description('set up a new agent: look around, ask, and write a checked config with comments')
    .option('-y, --yes', 'ask nothing: what no flag says is chosen')
    .option('--force', 'replace the config in the folder; a CA made for a trial stays')
    .addOption(new Option('--mesh <kind>', 'the mesh of the agent').choices(Object.keys(MESHES)))
    .option('--trust-domain <name>', 'our trust domain, where the mesh does not report it')
    .option('--url <url>', 'the URL at which peers reach the agent (default: a port of 127.0.0.1)')
    .option('--listen <host:port>', 'where its endpoint listens (default: the port of the URL)')
    .addOption(
      new Option('--profile <profile>', 'how peers know the endpoint: by an SVID, or by Web PKI').choices([
        'https_spiffe',
        'https_web',
      ]),
    )
    .option('--workload-api <address>', 'the SVID from a SPIFFE Workload API, unix:///path/to.sock')
    .option('--sds-socket <path>', 'the SVID from an SDS server')
    .option('--certificate <file>', 'the SVID from a file; with https_web the certificate of the host')
    .option('--key <file>', 'the private key of --certificate')
    .option('--ca-file <file>', 'with https_web: the private CA above --certificate')
    .option('--roots <file>', 'PEM file with our own roots, for --mesh files; again for more', eachOf)
    .option('--kubeconfig <file>', 'the cluster of the mesh (default: that of kubectl, or of the pod)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--consul <url>', 'base URL of the HTTP API of a Consul')
    .option('--token-file <file>', 'file with its ACL token')
    .option('--spire-socket <path>', 'admin socket of a SPIRE server')
    .option('--metrics <host:port>', 'where /metrics and /readyz are served')
    .addHelpText(
      'after',
      `
Without a mesh, "files" is chosen and a CA is made for a trial, so that two
folders on one machine are two trust domains that can federate at once.
Nothing is written unless "federate check-config" would accept it.

Examples:
  $ federate init a                          # asks
  $ federate init a --yes && federate init b --yes
  $ federate init /etc/federate --yes --mesh istio --url https://fed.a.example:8443/ \\
      --profile https_web --certificate tls.crt --key tls.key
  $ federate init --yes --mesh files --trust-domain a.example --roots roots.pem \\
      --workload-api unix:///run/spire/agent/api.sock`,
    )
    .action(async (folder: string | undefined, { yes, force, output: _output, ...answers }: InitOptions) => {
      const isTerminal = process.stdin.isTTY && process.stderr.isTTY;
      if (yes !== true && !isTerminal)
        throw new UsageError(
          'there is no terminal for questions: give --yes, and flags for what is to differ',
        );
      const { initFolder } = await import('../../app/index.ts');
      using questions = yes === true ? undefined : openQuestions(process.stdin, process.stderr);
      const result = await initFolder({
        folder: folder ?? '.',
        answers: defined(answers) as Answers,
        ask: questions && ((question) => questions.ask(question)),
        force: force === true,
        report: (sentence) => terminal.note(sentence),
      });
      const steps = stepsAfter(result, folder ?? '.');
      terminal.result(describe(result, steps), () => textOf(result, steps));
    });
}

interface Step {
  readonly command: string;
  readonly why: string;
}

/** The commands that come next; they can be run as they stand in the folder of this call. */
function stepsAfter({ simulated }: InitResult, folder: string): Step[] {
  const file = (name: string) => join(folder, name);
  const socket = ['--socket', file('admin.sock')];
  const step = (why: string, ...words: readonly string[]): Step => ({
    command: shellWords('federate', ...words),
    why,
  });
  return [
    ...(simulated
      ? [step('start the mesh; leave it running', 'simulate', simulated, '--config', file('mesh.yaml'))]
      : []),
    step('start the agent; leave it running', 'agent', '--config', file('agent.yaml')),
    step('in another shell: is it ready?', 'status', ...socket),
    step('print a line for a peer', 'invite', ...socket),
    step('or take the line of a peer', 'add', ...socket, '--peer', 'LINE'),
  ];
}

function describe(
  { folder, files, choices, madeTrialCa, simulated, notes }: InitResult,
  steps: readonly Step[],
) {
  const { mesh, trustDomain, url, listen } = choices;
  return {
    folder,
    config: join(folder, 'agent.yaml'),
    files: files.map((name) => join(folder, name)),
    mesh,
    trust_domain: trustDomain ?? null,
    url,
    listen,
    admin_socket: join(folder, 'admin.sock'),
    trial_ca: madeTrialCa,
    simulated: simulated ?? null,
    notes,
    next: steps,
  };
}

function textOf({ folder, files, choices, madeTrialCa, notes }: InitResult, steps: readonly Step[]): string {
  const { mesh, trustDomain, url } = choices;
  const width = Math.max(...steps.map(({ command }) => command.length));
  return [
    `Wrote ${files.join(', ')} into ${folder}, and checked them.`,
    `The agent is for ${trustDomain ?? 'the trust domain of its mesh'} (${mesh}), reached at ${url}`,
    ...(isLoopback(url) ? ['Only agents on this machine reach that URL; --url names another one.'] : []),
    ...(madeTrialCa
      ? [
          'The CA and the SVID in it are for a trial. The SVID ends in 90 days; "federate init --force" renews it.',
        ]
      : []),
    ...notes.map(({ level, code, message }) => `${level.toUpperCase()}: ${message} [${code}]`),
    '',
    'Next:',
    ...steps.map(({ command, why }) => `  ${command.padEnd(width)}  # ${why}`),
  ].join('\n');
}

function isLoopback(url: string): boolean {
  return ['127.0.0.1', '[::1]', 'localhost'].includes(new URL(url).hostname);
}
