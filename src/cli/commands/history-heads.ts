import type { Command } from 'commander';
import type { HeadDocument } from '../../admin-client/index.ts';
import { writeDurably } from '../../platform/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { View } from '../view.ts';

/** `federate history heads [PEER]`. */
export function addHeads(history: Command, terminal: Terminal): void {
  withAgent(history.command('heads [peer]'))
    .description(
      "the signed heads of our own history; or those a peer's agent showed us, which we keep for it",
    )
    .option('--export <file>', 'write them to a file, for "federate history verify --heads" on their side')
    .addHelpText(
      'after',
      `
Examples:
  $ federate history heads
  $ federate history heads b.example --export kept-of-b.jsonl`,
    )
    .action(async (peer: string | undefined, options: AgentOptions & { readonly export?: string }) => {
      const heads = await agentFor(options).call('GET /v1/history/heads', { query: { of: peer } });
      if (options.export !== undefined)
        await writeDurably(
          options.export,
          heads.map((head) => `${JSON.stringify({ head })}\n`).join(''),
          0o600,
        );
      terminal.result(heads, (view) => textOfHeads(heads, peer, view));
    });
}

function textOfHeads(heads: readonly HeadDocument[], peer: string | undefined, view: View): string {
  if (heads.length === 0)
    return peer === undefined
      ? 'No head of our history was noted yet.'
      : `The agent of ${peer} has shown us no head of its history yet.`;
  const rows = heads.map(({ signed_at: at, number, hash, signer }) => [
    view.at(at),
    `${number}`,
    hash.slice(0, 16),
    signer ?? 'unsigned',
  ]);
  return renderTable(['SIGNED', 'LINK', 'HASH', 'BY'], rows, view);
}
