import type { Command } from 'commander';
import type { ConfigKind } from '../../config/index.ts';
import type { Terminal } from '../terminal.ts';

/** The verbs that are long-running processes, each with one YAML file. */
export function processCommands(program: Command, _terminal: Terminal): void {
  const run = (kind: ConfigKind) => async (options: { readonly config: string }) => {
    const { runProcess } = await import('../../app/index.ts');
    await runProcess(kind, options.config);
  };
  const add = (parent: Command, name: string, kind: ConfigKind, description: string, example: string) =>
    parent
      .command(name)
      .description(description)
      .requiredOption('-c, --config <file>', 'its YAML file')
      .addHelpText(
        'after',
        `\nLogs are lines of JSON on standard error. SIGTERM and SIGINT end it cleanly.\n\nExample:\n  $ ${example}`,
      )
      .action(run(kind));

  add(
    program,
    'agent',
    'agent',
    'run the agent next to a mesh',
    'federate agent --config /etc/federate/agent.yaml',
  );
  add(
    program,
    'gateway',
    'gateway',
    'run an SNI passthrough gateway; it holds no key',
    'federate gateway --config gateway.yaml',
  );
  add(
    program,
    'sidecar',
    'sidecar',
    'run the mTLS proxy next to a workload',
    'federate sidecar --config sidecar.yaml',
  );

  const simulate = program
    .command('simulate')
    .description('the simulated meshes and the weather application');
  add(
    simulate,
    'istio',
    'simulated-istio',
    'an Istio-flavoured control plane',
    'federate simulate istio --config istio.yaml',
  );
  add(
    simulate,
    'consul',
    'simulated-consul',
    'a Consul-flavoured control plane',
    'federate simulate consul --config consul.yaml',
  );
  add(
    simulate,
    'weather',
    'weather',
    'one workload of the weather application',
    'federate simulate weather --config backend.yaml',
  );
}
