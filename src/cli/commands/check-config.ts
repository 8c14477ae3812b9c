import { type Command, Option } from 'commander';
import type { ConfigKind } from '../../config/index.ts';
import { withOutput } from '../agent-options.ts';
import type { OutputFormat, Terminal } from '../terminal.ts';

interface CheckOptions {
  readonly kind: ConfigKind;
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

/** `federate check-config`: is a config file good, and are the files that it names? */
export function checkConfigCommand(program: Command, terminal: Terminal): void {
  withOutput(program.command('check-config <file>'))
    .description(
      'check a config file and the files that it names, and start nothing; names every mistake with its line',
    )
    .addOption(
      new Option('--kind <kind>', 'what the file is for').choices(Object.keys(CONFIG_KINDS)).default('agent'),
    )
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
      const { kind } = options;
      const { checkConfigWithFiles } = await import('../../config/index.ts');
      const notes = await checkConfigWithFiles(kind, file, { withoutFiles: options.withoutFiles === true });
      terminal.result({ file, kind, ok: true, notes }, () =>
        [
          `${file} is a good ${kind} config.`,
          ...notes.map(({ level, code, message }) => `${level.toUpperCase()}: ${message} [${code}]`),
        ].join('\n'),
      );
    });
}
