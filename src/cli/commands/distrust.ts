import type { Command } from 'commander';
import type {
  DistrustDocument,
  DistrustedDocument,
  DistrustedKeyDocument,
  InMeshDocument,
} from '../../admin-client/index.ts';
import { defined } from '../../objects/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { whyInMesh } from '../in-mesh-text.ts';
import { instantOf, laterBy } from '../instants.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import type { View } from '../view.ts';

interface DistrustOptions extends AgentOptions {
  readonly reason?: string;
  readonly until?: string;
  readonly for?: string;
  readonly evenTheLast?: boolean;
  readonly evenOurOwnSvid?: boolean;
}

/** `federate distrust`: one key out of the trust, at once; `federate distrust list`: which are. */
export function distrustCommand(program: Command, terminal: Terminal): void {
  const distrust = withAgent(program.command('distrust'))
    .description('take one key of a peer, or of our own, out of the trust at once, whatever its bundle says')
    .argument('[peer]', "the peer's trust domain, or own for ours (a peer of that name is spiffe://own)")
    .argument('[key]', 'six or more hex digits of a fingerprint, a pin, or a JWT key ID')
    .option('--reason <text>', 'why, for the audit log')
    .option('--until <instant>', 'when the key counts again by itself, for instance 2026-11-22T08:00:00Z')
    .option('--for <duration>', 'the same as a time from now, for instance 2h')
    .option('--even-the-last', 'own: although it is the last key that we publish')
    .option(
      '--even-our-own-svid',
      "own: although the agent's own SVID rests on it, so that peers refuse our endpoint",
    )
    .addHelpText(
      'after',
      `
Examples:
  $ federate distrust b.example 9f2c41 --reason "CA key stolen"
  $ federate distrust b.example jwt-key-7 --for 2h
  $ federate distrust own sha256:4e1a… --reason "backup tape lost"
  $ federate distrust list

It is the public key that is out: another certificate over it, now or later,
brings nothing back. It stays out over polls and restarts until --until, or until
"federate trust --again". The mesh learns it at once and closes what rested on it;
where it was not seen to let go of the key, the answer warns and the exit code is 1.

A key of our own leaves the bundle that we publish. Peers that hold a request open
learn of it at once, the others at their next poll. Our own mesh does not learn
of it: rotate its CA. A key on which the agent's own SVID rests needs --even-our-own-svid,
because peers then refuse our endpoint and cannot hear from us of an undo.`,
    )
    .action(async (name: string | undefined, key: string | undefined, options: DistrustOptions) => {
      if (name === undefined || key === undefined)
        throw new UsageError('name a trust domain (or own) and one of its keys, or say "distrust list"');
      const answer = await agentFor(options).call('POST /v1/distrusted', {
        body: documentFrom(name, key, options, terminal.clock.now()),
      });
      terminal.result(answer, (view) => textOf(answer, options, view));
      if (answer.mesh_may_still_trust) terminal.exitCode = exitCodes.failed;
    });
  withAgent(distrust.command('list'))
    .description('the keys that are distrusted now, by whom, since when, until when and why')
    .addHelpText('after', '\nExample:\n  $ federate distrust list')
    .action(async (options: AgentOptions) => {
      const all = await agentFor(options).call('GET /v1/distrusted');
      terminal.result(all, (view) => textOfAll(all, view));
    });
}

/** `federate trust --again`: the end of a distrust, on record. */
export function trustCommand(program: Command, terminal: Terminal): void {
  withAgent(program.command('trust'))
    .description('let a key count again that was distrusted, on record')
    .argument('<peer>', "the peer's trust domain, or own for ours")
    .argument('<key>', 'six or more hex digits of a fingerprint, a pin, or a JWT key ID')
    .requiredOption(
      '--again',
      'new trust comes from "federate add" and from polls; this only ends a distrust',
    )
    .option('--reason <text>', 'why, for the audit log')
    .addHelpText(
      'after',
      '\nExample:\n  $ federate trust --again b.example 9f2c41 --reason "was a false alarm"',
    )
    .action(async (name: string, key: string, options: AgentOptions & { readonly reason?: string }) => {
      const reason = defined({ reason: options.reason });
      const answer = await agentFor(options).call('POST /v1/trusted-again', {
        body: { trust_domain: name, key, ...reason },
      });
      terminal.result(
        answer,
        (view) =>
          `The key ${answer.label} of ${answer.trust_domain} counts again wherever its bundle has it. It was distrusted since ${view.at(answer.since)}: ${answer.reason}`,
      );
    });
}

function documentFrom(name: string, key: string, options: DistrustOptions, now: Date): DistrustDocument {
  const { reason, until, for: duration, evenTheLast, evenOurOwnSvid } = options;
  if (until !== undefined && duration !== undefined)
    throw new UsageError('the end of a distrust is given by --until or by --for, not by both', {
      code: 'options-conflict',
    });
  const end =
    until === undefined
      ? duration === undefined
        ? undefined
        : laterBy(duration, '--for', now)
      : instantOf(until, '--until');
  return {
    trust_domain: name,
    key,
    ...defined({ reason, until: end?.toISOString() }),
    ...(evenTheLast === true ? { even_the_last: true } : {}),
    ...(evenOurOwnSvid === true ? { even_our_own_svid: true } : {}),
  };
}

function textOf(answer: DistrustedDocument, called: CalledWith, view: View): string {
  const { label, trust_domain: name, until, ours, was_trusted: was } = answer;
  const { x509_left: roots, jwt_left: jwt } = answer;
  const lines = [
    `The key ${label} of ${name} is distrusted${until === null ? '' : ` until ${view.at(until)}`}.`,
    ...(was ? [] : ['It was not trusted before; it is kept out if it ever comes.']),
    `Left of ${name}: ${roots} ${roots === 1 ? 'root' : 'roots'}, ${jwt} JWT ${jwt === 1 ? 'key' : 'keys'}.`,
  ];
  if (was && roots === 0) {
    lines.push(
      ours
        ? `WARNING: we publish no root any more. Every peer that hears it refuses every X509-SVID of ${name}.`
        : `WARNING: no root of ${name} counts any more. Every X509-SVID of it is refused from now on.`,
    );
  }
  if (answer.mesh_may_still_trust && answer.in_mesh !== null)
    lines.push(warningOf(answer.in_mesh, called, view));
  if (ours && was) lines.push(...textOfOurs(answer));
  lines.push(...textOfUndo(answer, called));
  return lines.join('\n');
}

/** What taking a key of our own out does, and to whom. */
function textOfOurs({ signs_now: signs, own_svid_refused: refused }: DistrustedDocument): string[] {
  return [
    'Peers that hold a request open hear it at once, the others at their next poll.',
    signs
      ? 'WARNING: our mesh signs identities under this key now. Peers refuse them: rotate the CA of the mesh.'
      : 'Our own mesh does not learn of this: it can go on signing under this key until you rotate its CA.',
    ...(refused
      ? [
          "WARNING: the agent's own SVID rests on this key. A peer that has heard it refuses our endpoint, and hears nothing from us any more.",
        ]
      : []),
  ];
}

/** `own` alone means ours. */
function unambiguous(peer: string): string {
  return peer === 'own' ? 'spiffe://own' : peer;
}

/** How it is undone: here, and at the peers that an undo here cannot reach. */
function textOfUndo(answer: DistrustedDocument, called: CalledWith): string[] {
  const { trust_domain: name, ours, own_svid_refused: refused } = answer;
  const key = `sha256:${answer.key_fingerprint}`;
  const undo = nextStep(called, 'trust', '--again', ours ? 'own' : unambiguous(name), key);
  if (!refused) return ['Undo it with:', `  ${undo}`];
  return [
    'Undo it here with these two commands. The second one writes our bundle to a file:',
    `  ${undo}`,
    `  ${nextStep(called, 'bundle', 'show', '--document')} > ${name}.json`,
    'A peer that has heard of it already needs that file as well. Its operator runs:',
    `  federate bundle set ${name} ${name}.json`,
  ];
}

/** What the mesh was not seen to do within some seconds. */
function warningOf(inMesh: InMeshDocument, called: CalledWith, view: View): string {
  const why = whyInMesh(inMesh, `what was written there before is ${inMesh.state}`, view);
  return `WARNING: the mesh may still trust the key: ${why}. The agent goes on trying; see "${nextStep(called, 'list')}".`;
}

function textOfAll(all: readonly DistrustedKeyDocument[], view: View): string {
  if (all.length === 0) return 'No key is distrusted.';
  return all
    .map((key) =>
      [
        `${key.trust_domain}  ${key.label}`,
        `  public key sha256:${key.key_fingerprint}`,
        `  since ${view.at(key.since)} by ${key.actor}, ${key.until === null ? 'without an end' : `until ${view.at(key.until)}`}: ${key.reason}`,
      ].join('\n'),
    )
    .join('\n');
}
