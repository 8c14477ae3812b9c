import { type Command, Option } from 'commander';
import type { GateDocument, MissingDocument, RotationDocument } from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { formatDurationMs } from '../../platform/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { durationOf } from '../instants.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import type { View } from '../view.ts';
import { showOrWatch, type WatchOptions, withWatch } from '../watch.ts';
import { textOfRotation } from './rotation-text.ts';
import { type Gate, judgeWait, type WaitTarget } from './rotation-wait.ts';

interface WaitOptions extends AgentOptions {
  readonly for: WaitTarget['step'];
  readonly root?: string;
  readonly timeout: string;
  readonly peer?: readonly string[];
  readonly except?: readonly string[];
}

/** How often the agent is asked while nothing has changed. */
const ASK_EVERY_MS = 500;

/**
 * `federate rotation status | wait`: where our own roots stand, and whether the next step is safe.
 */
export function rotationCommand(program: Command, terminal: Terminal): void {
  const rotation = program
    .command('rotation')
    .description('the roots of our own mesh: which peers have them, and whether the next step is safe');

  withWatch(withAgent(rotation.command('status')))
    .description('each root with its stage, each peer with what it holds, and whether the next step is safe')
    .addHelpText(
      'after',
      `
published  peers can have it, nothing is signed with it yet
in use     identities are signed with it
retiring   it signs no more, but what it signed may still be in use
gone       it is no longer published

Examples:
  $ federate rotation status
  $ federate rotation status --watch
  $ federate rotation status --output json | jq -r '.peers[] | select(.newest != true).trust_domain'`,
    )
    .action(async (options: AgentOptions & WatchOptions) => {
      await showOrWatch(terminal, options, {
        ask: (agent) => agent.call('GET /v1/rotation'),
        text: (document, view) => textOfRotation(document, view, terminal.clock.now()),
      });
    });

  withAgent(rotation.command('wait'))
    .description('block until the next step is safe; for scripts')
    .addOption(
      new Option('--for <step>', 'use: the mesh may sign with the root · retire: the root may go')
        .choices(['use', 'retire'])
        .makeOptionMandatory(),
    )
    .option(
      '--root <fingerprint>',
      'which root, by its fingerprint or at least six digits of its beginning (default: the newest that is published and not in use, or the one that retires)',
    )
    .option('--timeout <duration>', 'give up after so long, such as 10m', '10m')
    .option('--peer <trust domain>', 'only this peer counts; again for each further one', more)
    .option(
      '--except <trust domain>',
      'this peer does not count, by your decision; again for each further one',
      more,
    )
    .addHelpText(
      'after',
      `
Exit code 0 when it is safe, 1 when the time was up, with what is missing. What is
waited for goes to standard error. With --peer, pollers that do not say who they
are do not count either.

Examples:
  $ federate rotation wait --for use && federate simulate rotate activate
  $ federate rotation wait --for retire --timeout 2h --except offline.example
  $ federate rotation wait --for use --root 3f2a91 --peer b.example`,
    )
    .action(async (options: WaitOptions) => {
      const target = targetOf(options);
      const { gate, document } = await waitFor(options, target, terminal);
      terminal.result({ ...gate, rotation: document }, (view) =>
        textOfGate(gate, target, view, terminal.clock.now()),
      );
      if (!gate.safe) terminal.exitCode = exitCodes.failed;
    });
}

function more(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value.toLowerCase()];
}

function targetOf({ for: step, root, peer, except }: WaitOptions): WaitTarget {
  if (root !== undefined && !/^[0-9a-fA-F]{6,64}$/.test(root))
    throw new UsageError('--root is a fingerprint, or at least six hex digits of its beginning');
  if (peer && except) throw new UsageError('--peer and --except do not go together');
  return {
    step,
    ...defined({ root: root?.toLowerCase(), peers: peer, except }),
  };
}

/** Asks until it is safe or the time is up. */
async function waitFor(
  options: WaitOptions,
  target: WaitTarget,
  terminal: Terminal,
): Promise<{ readonly gate: Gate; readonly document: RotationDocument }> {
  const timeoutMs = durationOf(options.timeout, '--timeout');
  const agent = agentFor(options);
  const { clock } = terminal;
  const endMs = clock.monotonicMs() + timeoutMs;
  let shown = '';
  for (;;) {
    const document = await agent.call('GET /v1/rotation');
    checkNames(target, document);
    const gate = judgeWait(document, target);
    const leftMs = endMs - clock.monotonicMs();
    if (gate.safe || leftMs <= 0) return { gate, document };
    const now = gate.missing.map(({ message }) => message).join('\n');
    if (now !== shown) {
      terminal.note(`Waiting: ${terminal.view.words(summaryOf(gate))}`);
      shown = now;
    }
    await clock.sleep(Math.min(ASK_EVERY_MS, leftMs));
  }
}

/**
 * Refuses a name that is not a peer of ours. Such a name would end a wait too early, or never end
 * it.
 */
function checkNames({ peers = [], except = [] }: WaitTarget, { peers: known }: RotationDocument): void {
  for (const name of [...peers, ...except])
    if (!known.some((each) => each.trust_domain === name))
      throw new UsageError(`there is no relationship with ${name}, so nothing is known of what it holds`);
}

function summaryOf({ root, missing }: Gate): string {
  const [first, ...rest] = missing;
  const name = root === null ? '' : `${root.label}: `;
  const others = rest.length === 0 ? '' : ` (and ${rest.length} more)`;
  return `${name}${first?.message ?? ''}${others}`;
}

function textOfGate(gate: Gate, { step, except = [] }: WaitTarget, view: View, now: Date): string {
  const missing = gate.missing.map((each) => textOfMissing(each, view, now));
  const what = step === 'use' ? 'be used' : 'be retired';
  if (!gate.root) return ['Not safe:', ...missing].join('\n');
  if (!gate.safe) return [`${gate.root.label} cannot ${what} yet:`, ...missing].join('\n');
  const left = step === 'retire' ? except.map(textOfLeftOut) : [];
  return [`${gate.root.label} can ${what}.`, ...textOfTaken(gate.taken), ...left].join('\n');
}

function textOfMissing({ message, code, safe_at: safeAt }: MissingDocument, view: View, now: Date): string {
  const left = safeAt === null ? undefined : Date.parse(safeAt) - now.getTime();
  const by = left === undefined || left <= 0 ? '' : `; over in ${formatDurationMs(left)}`;
  return `  - ${view.words(message)} [${code}]${by}`;
}

function textOfLeftOut(name: string): string {
  return `  note: ${name} does not count, by your decision: if it holds none of the roots that stay, it can no longer verify our endpoint, and needs the bundle over another channel`;
}

function textOfTaken(taken: GateDocument['taken']): string[] {
  return taken.map(({ who, by }) =>
    by === 'time'
      ? `  note: ${who} had the time to have it, but did not prove it`
      : `  note: ${who} was seen to have fetched it, but did not prove that it is in effect`,
  );
}
