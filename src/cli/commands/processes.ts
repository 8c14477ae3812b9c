import type { Command } from 'commander';
import type { ConfigKind } from '../../config/index.ts';
import { didYouMean } from '../../platform/index.ts';
import { withOutput } from '../agent-options.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type OutputFormat, printResult, type Terminal, UsageError } from '../terminal.ts';

interface CheckOptions {
  readonly kind: string;
  readonly withoutFiles?: boolean;
  readonly output: OutputFormat;
}

/**
 * Every kind of config file. The type makes the list complete, and nothing of the server is loaded
 * for it.
 */
const CONFIG_KINDS: Readonly<Record<ConfigKind, true>> = {
  agent: true,
  gateway: true,
  sidecar: true,
  'simulated-istio': true,
  'simulated-consul': true,
  weather: true,
};

const kindNames = Object.keys(CONFIG_KINDS).join(', ');

function isConfigKind(word: string): word is ConfigKind {
  return Object.hasOwn(CONFIG_KINDS, word);
}

/**
 * The verbs that are long-running processes, each with one YAML file, and the one that checks such
 * a file.
 */
export function processCommands(
  program: Command,
  terminal: Terminal,
  finish: (code: ExitCode) => void,
): void {
  const run = (kind: ConfigKind) => async (options: { readonly config: string }) => {
    const { runProcess } = await import('../../app/index.ts');
    await runProcess(kind, options.config);
    finish(exitCodes.done);
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
    'run the agent beside a mesh',
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
    'run the mTLS proxy beside a workload',
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

  withOutput(program.command('check-config <file>'))
    .description(
      'check a config file and the files that it names, and start nothing; names every mistake with its line',
    )
    .requiredOption('--kind <kind>', `what the file is for: ${kindNames}`, 'agent')
    .option('--without-files', 'check the text alone, for a machine that has not the files it names')
    .addHelpText(
      'after',
      `
A file that is named has to be there and readable. Certificates have to be valid
now and to belong to their keys, and keys and tokens to be closed to other users
(mode 0600). Run it as the user that the process runs as.

Examples:
  $ federate check-config /etc/federate/agent.yaml
  $ federate check-config agent.yaml --without-files`,
    )
    .action(async (file: string, options: CheckOptions) => {
      const kind = options.kind;
      if (!isConfigKind(kind))
        throw new UsageError(`--kind is one of ${kindNames}${didYouMean(kind, Object.keys(CONFIG_KINDS))}`);
      const { checkConfigWithFiles } = await import('../../config/index.ts');
      const notes = await checkConfigWithFiles(kind, file, { withoutFiles: options.withoutFiles === true });
      printResult(terminal, options.output, { file, kind, ok: true, notes }, () =>
        [
          `${file} is a good ${kind} config.`,
          ...notes.map(({ level, code, message }) => `${level.toUpperCase()}: ${message} [${code}]`),
        ].join('\n'),
      );
      finish(exitCodes.done);
    });
}
