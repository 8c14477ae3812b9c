import { type Command, Option } from 'commander';
import type { Compilation, Target } from '../../services/index.ts';
import { withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal.ts';
import { fileOrService, pair, type PolicyOptions, readPolicy, storedPolicy } from './access-policy-file.ts';

interface CompileOptions extends PolicyOptions {
  readonly for: Target;
  readonly namespace?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly peerName?: Readonly<Record<string, string>>;
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

/** `federate access compile`: a policy file, or the rules of the agent, as objects of a mesh. */
export function compileCommand(access: Command, terminal: Terminal): void {
  withAgent(access.command('compile [policy]'))
    .description('write the policy as the objects that a mesh enforces; writes nothing that allows more')
    .option('--service <service>', 'the rules that the agent has, instead of a policy file')
    .addOption(
      new Option('--for <target>', 'what enforces the policy')
        .choices(Object.keys(TARGETS))
        .makeOptionMandatory(),
    )
    .option(
      '--namespace <namespace>',
      'the namespace of the workload; left out: default, or as the mesh reports it',
    )
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
  $ federate access compile --service info --for istio
  $ federate access compile info.yaml --for istio --namespace weather --label app=info
  $ federate access compile info.yaml --for consul --peer-name c.consul=c-peer
  $ federate access compile info.yaml --for opa --output json`,
    )
    .action(async (file: string | undefined, options: CompileOptions) => {
      fileOrService(file, options);
      const { compilers } = await import('../../services/index.ts');
      const { yamlText } = await import('../yaml-text.ts');
      const { policy, document } =
        file === undefined
          ? await storedPolicy(options.service ?? '', options)
          : { policy: await readPolicy(file), document: undefined };
      const reported = Object.keys(document?.labels ?? {}).length === 0 ? undefined : document?.labels;
      const compilation = compilers[options.for](policy, {
        namespace: options.namespace ?? document?.namespace ?? 'default',
        labels: options.label ?? reported ?? { app: policy.service.id },
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
