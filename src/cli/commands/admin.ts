import type { Command } from 'commander';
import { withOutput } from '../agent-options.ts';
import type { Terminal } from '../terminal.ts';

/** `federate admin openapi`: the contract of the admin API, without an agent. */
export function adminCommand(program: Command, terminal: Terminal): void {
  const admin = program.command('admin').description("the agent's admin API, for programs that call it");
  withOutput(admin.command('openapi'))
    .description('print the admin API of this version as an OpenAPI 3.1 document, in JSON; needs no agent')
    .addHelpText(
      'after',
      `
Example:
  $ federate admin openapi > openapi.json

A running agent serves the document of its own version:
  $ curl --unix-socket /run/federate/admin.sock http://localhost/v1/openapi.json`,
    )
    .action(async () => {
      const { openApiDocument } = await import('../../admin/index.ts');
      terminal.out(JSON.stringify(openApiDocument(), undefined, 2));
    });
}
