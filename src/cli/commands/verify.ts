import { type Command, Option } from 'commander';
import type { VerifyDocument } from '../../dashboard/index.ts';
import { type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { renderFields } from '../table.ts';
import { printResult, type Terminal } from '../terminal.ts';
import { readText } from './add.ts';

/** `federate verify`: would this chain be accepted now, and by which root of which version? */
export function verifyCommand(program: Command, terminal: Terminal, finish: (code: ExitCode) => void): void {
  withAgent(program.command('verify <file>'))
    .description(
      'would this certificate chain (PEM, leaf first; - for standard input) be accepted now, and by which root?',
    )
    .addOption(
      new Option('--peer-role <role>', 'the role in which the peer shows it')
        .choices(['client', 'server'])
        .default('server'),
    )
    .addHelpText(
      'after',
      `
Exit code 0 when it would be accepted, 1 when not.

Example:
  $ openssl s_client -connect gw.example:15443 -servername info.b -showcerts </dev/null \\
      | federate verify -`,
    )
    .action(async (file: string, options: AgentOptions & { readonly peerRole: 'client' | 'server' }) => {
      const answer = await agentFor(options).verify(readText(file, 'verify'), options.peerRole);
      printResult(terminal, options.output, answer, () => tell(answer));
      finish(answer.accepted ? exitCodes.done : exitCodes.failed);
    });
}

function tell(answer: VerifyDocument): string {
  if (!answer.accepted)
    return `refused: ${answer.message ?? 'no reason given'} [${answer.code ?? 'unknown'}]`;
  return renderFields([
    ['accepted', answer.spiffe_id ?? ''],
    [
      'by root',
      answer.anchor === null
        ? undefined
        : `${answer.anchor.subject || '(no subject)'} sha256:${answer.anchor.fingerprint}`,
    ],
    [
      'of',
      `${answer.trust_domain ?? ''}${answer.bundle_version === null ? '' : `, bundle version ${answer.bundle_version}`}`,
    ],
    ['until', answer.not_after ?? undefined],
  ]);
}
