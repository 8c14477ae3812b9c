import type { Command } from 'commander';
import type { RemovedDocument } from '../../admin-client/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { noteText, whyInMesh } from '../in-mesh-text.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { withProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import type { View } from '../view.ts';

/** `federate remove`: end the relationship and the trust. */
export function removeCommand(program: Command, terminal: Terminal): void {
  withAgent(program.command('remove <trust-domain>'))
    .description(
      'end a relationship: its trust goes at once, its history stays; exit code 1 while the mesh still has it',
    )
    .option('--reason <text>', 'why, for the audit log')
    .addHelpText('after', '\nExample:\n  $ federate remove b.example --reason "contract ended"')
    .action(async (trustDomain: string, options: AgentOptions & { readonly reason?: string }) => {
      const answer = await withProgress(terminal, `taking ${trustDomain} out of the mesh`, () =>
        agentFor(options).call('DELETE /v1/relationships/{trust_domain}', {
          params: { trust_domain: trustDomain },
          query: { reason: options.reason },
        }),
      );
      terminal.result(answer, (view) => textOf(answer, options, view));
      if (answer.in_mesh !== null) terminal.exitCode = exitCodes.failed;
    });
}

function textOf(
  { trust_domain: name, in_mesh: inMesh, note }: RemovedDocument,
  called: CalledWith,
  view: View,
): string {
  const history = `Its history stays: "${nextStep(called, 'bundle', 'history', name)}".`;
  if (inMesh === null)
    return [
      `${name} is no longer trusted. ${history}`,
      ...(note === null ? [] : [`${noteText(note, view)}.`]),
    ].join('\n');
  const why = whyInMesh(inMesh, `what was written there is ${inMesh.state}`, view);
  return [
    `${name} is no longer a peer, but the mesh may still trust it: ${why}.`,
    `The agent goes on taking it out; "${nextStep(called, 'status')}" warns until that is done. ${history}`,
  ].join('\n');
}
