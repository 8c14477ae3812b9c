import type { Command } from 'commander';
import type { RemovedDocument, UnrecordedTrustDocument } from '../../admin-client/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { noteText, whyInMesh } from '../in-mesh-text.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import type { View } from '../view.ts';

interface AdoptOptions extends AgentOptions {
  readonly drop?: boolean;
}

/**
 * `federate adopt`: what to do about trust that stands in the mesh although the store has no record
 * of it.
 */
export function adoptCommand(program: Command, terminal: Terminal): void {
  withAgent(program.command('adopt [trust-domain]'))
    .description('list the trust in the mesh that the store has no record of, after a lost store; or drop it')
    .option('--drop', 'take the trust in this trust domain out of the mesh')
    .addHelpText(
      'after',
      `
Examples:
  $ federate adopt
  $ federate adopt b.example --drop
  $ federate add --from-mesh --peer https://federation.b.example:8443/ \\
      --trust-domain b.example --profile https_spiffe \\
      --endpoint-id spiffe://b.example/federate

The agent keeps such trust as it is. It gets no updates until there is a relationship
again: by an invitation, or by "federate add --from-mesh", whose first bundle is proved
by a key that stands in the mesh.`,
    )
    .action(async (trustDomain: string | undefined, options: AdoptOptions) => {
      const agent = agentFor(options);
      if (options.drop === true) {
        if (trustDomain === undefined) throw new UsageError('--drop needs the trust domain');
        const answer = await agent.call('DELETE /v1/unrecorded-trust/{trust_domain}', {
          params: { trust_domain: trustDomain },
        });
        terminal.result(answer, (view) => textOfDropped(answer, options, view));
        if (answer.in_mesh !== null) terminal.exitCode = exitCodes.failed;
        return;
      }
      const all = await agent.call('GET /v1/unrecorded-trust');
      const listed =
        trustDomain === undefined ? all : all.filter((each) => each.trust_domain === trustDomain);
      terminal.result(listed, (view) => textOf(listed, options, view));
    });
}

function textOf(listed: readonly UnrecordedTrustDocument[], called: CalledWith, view: View): string {
  if (listed.length === 0) return 'The store has a record of all foreign trust in the mesh.';
  return listed.map((each) => textOfOne(each, called, view)).join('\n\n');
}

function textOfOne(
  { trust_domain: name, where, since, roots }: UnrecordedTrustDocument,
  called: CalledWith,
  view: View,
): string {
  const keys = roots?.map(
    ({ key_fingerprint: key, subject, not_after: notAfter }) =>
      `  key sha256:${key}, ${subject === '' ? 'without a name' : JSON.stringify(subject)}, until ${view.at(notAfter)}`,
  ) ?? ['  the mesh does not show its roots'];
  return [
    `${name}  kept in ${where}, without a record since ${view.at(since)}`,
    ...keys,
    '  Renew the relationship by an invitation of either side, or with:',
    `    ${nextStep(called, 'add', ...(roots === null ? [] : ['--from-mesh']), '--trust-domain', name, '--peer')} URL …`,
    '  Or take the trust out of the mesh with:',
    `    ${nextStep(called, 'adopt', name, '--drop')}`,
  ].join('\n');
}

function textOfDropped(
  { trust_domain: name, in_mesh: inMesh, note }: RemovedDocument,
  called: CalledWith,
  view: View,
): string {
  if (inMesh === null)
    return [
      `The mesh no longer trusts ${name}.`,
      ...(note === null ? [] : [`${noteText(note, view)}.`]),
    ].join('\n');
  const why = whyInMesh(inMesh, `what was written there is ${inMesh.state}`, view);
  return `The mesh may still trust ${name}: ${why}. The agent tries again; see "${nextStep(called, 'status')}".`;
}
