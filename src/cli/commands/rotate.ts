import { Argument, type Command } from 'commander';
import type { ControlClient, ControlStatus, RotationStep } from '../../demonstration/simulated-mesh/index.ts';
import { withOutput } from '../agent-options.ts';
import { renderFields, renderTable } from '../table.ts';
import type { OutputFormat, Terminal } from '../terminal.ts';
import type { View } from '../view.ts';

interface ControlOptions {
  readonly control: string;
  readonly output: OutputFormat;
}

const ROTATION_STEPS = ['publish', 'activate', 'retire'] as const satisfies readonly RotationStep[];

/** Loaded when it is wanted: the other verbs should start fast. */
async function controlAt(path: string): Promise<ControlClient> {
  const { createControlClient } = await import('../../demonstration/simulated-mesh/index.ts');
  return createControlClient(path);
}

/** `federate simulate status | rotate`: what the operator of a simulated mesh can see and do. */
export function rotateCommand(program: Command, terminal: Terminal): void {
  const simulate = program.commands.find((command) => command.name() === 'simulate') ?? program;
  const add = (usage: string, description: string) =>
    withOutput(simulate.command(usage))
      .description(description)
      .option('--control <path>', 'control socket of the simulated mesh', '/run/federate/control.sock');

  add('status', 'the roots, workloads and foreign trust of a simulated mesh')
    .addHelpText('after', '\nExample:\n  $ federate simulate status --control /run/federate/control.sock')
    .action(async (options: ControlOptions) => {
      const status = await (await controlAt(options.control)).status();
      terminal.result(status, (view) => textOf(status, view));
    });

  add('rotate', 'take one step of a root rotation')
    .addArgument(new Argument('<step>', 'the next step').choices(ROTATION_STEPS))
    .addHelpText(
      'after',
      `
publish   the mesh makes and publishes a new root; the old one still signs
activate  the new root signs from now on, every workload gets a new SVID
retire    the old root goes

Example:
  $ federate simulate rotate publish --control /run/federate/control.sock`,
    )
    .action(async (step: RotationStep, options: ControlOptions) => {
      const status = await (await controlAt(options.control)).rotate(step);
      terminal.result(status, (view) => textOf(status, view));
    });
}

function textOf(status: ControlStatus, view: View): string {
  const refused = status.refused ? `${status.refused.message} [${status.refused.code}]` : undefined;
  return [
    renderFields(
      [
        ['mesh', status.kind],
        ['trust domain', status.trustDomain],
        ['rotation', status.phase],
        ['trust config refused', refused],
      ],
      view,
    ),
    '',
    renderTable(
      ['ROOT', 'PHASE', 'SUBJECT', 'FINGERPRINT'],
      status.roots.map((root) => [
        root.number.toString(),
        root.phase,
        root.subject,
        root.fingerprint.slice(0, 16),
      ]),
      view,
    ),
    '',
    renderTable(
      ['WORKLOAD', 'SVID UNDER ROOT', 'SPIFFE ID'],
      status.workloads.map((each) => [each.name, each.svid?.rootNumber.toString() ?? '-', each.spiffeId]),
      view,
    ),
    '',
    status.foreign.length === 0
      ? 'No foreign trust domain is trusted.'
      : renderTable(
          ['FOREIGN TRUST DOMAIN', 'ROOTS', 'SOURCE'],
          status.foreign.map((each) => [each.trustDomain, each.fingerprints.length.toString(), each.source]),
          view,
        ),
  ].join('\n');
}
