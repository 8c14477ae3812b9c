import { type Command, Option } from 'commander';
import type { VerifyDocument, VerifyJwtDocument } from '../../admin-client/index.ts';
import { eachOf, type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { exitCodes } from '../exit-codes.ts';
import { hintFor } from '../hints.ts';
import { renderFields } from '../table.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import { looksLikeToken, readToken } from '../token-argument.ts';
import type { View } from '../view.ts';
import { readText } from '../named-file.ts';

interface VerifyOptions extends AgentOptions {
  readonly peerRole: 'client' | 'server';
  readonly jwt?: string;
  readonly audience?: readonly string[];
}

/**
 * `federate verify`: would this chain, or this token, be accepted now, and by which root or key of
 * which version?
 */
export function verifyCommand(program: Command, terminal: Terminal): void {
  withAgent(program.command('verify [chain]'))
    .description(
      'would this certificate chain (PEM file, leaf first; - for standard input), or this JWT-SVID, be accepted now, and by which root or key?',
    )
    .addOption(
      new Option('--peer-role <role>', 'the role in which the peer shows its chain')
        .choices(['client', 'server'])
        .default('server'),
    )
    .addOption(
      new Option('--jwt <token>', 'judge a JWT-SVID: a file, - for standard input, or the token').conflicts(
        'peerRole',
      ),
    )
    .option(
      '--audience <audience>',
      'with --jwt: who the validator is; again for each further name it goes by',
      eachOf,
    )
    .addHelpText(
      'after',
      `
Exit code 0 when it would be accepted, 1 when not. Nothing is recorded, and a
token is never printed. A token on the command line can be seen by every user of
this machine while the command runs: prefer a file or standard input.

Examples:
  $ openssl s_client -connect gw.example:15443 -servername info.b -showcerts </dev/null \\
      | federate verify -
  $ federate verify --jwt token.jwt --audience info.a.example
  $ federate verify --jwt - --audience info --audience https://info <token.jwt`,
    )
    .action(async (chain: string | undefined, options: VerifyOptions) => {
      const accepted =
        options.jwt === undefined
          ? await judgeChain(terminal, chain, options)
          : await judgeToken(terminal, options.jwt, chain, options);
      if (!accepted) terminal.exitCode = exitCodes.failed;
    });
}

async function judgeChain(
  terminal: Terminal,
  chain: string | undefined,
  options: VerifyOptions,
): Promise<boolean> {
  if (options.audience !== undefined) throw new UsageError('--audience goes with --jwt');
  if (chain === undefined)
    throw new UsageError('give a certificate chain (a PEM file, or -), or a token with --jwt');
  if (looksLikeToken(chain)) throw new UsageError('this is a token: give it with --jwt, and an --audience');
  const answer = await agentFor(options).call('POST /v1/verify', {
    body: { pem: readText(chain, 'verify'), peer_role: options.peerRole },
  });
  terminal.result(answer, (view) => textOfChain(answer, view));
  return answer.accepted;
}

async function judgeToken(
  terminal: Terminal,
  jwt: string,
  chain: string | undefined,
  options: VerifyOptions,
): Promise<boolean> {
  const { audience: audiences = [] } = options;
  if (chain !== undefined) throw new UsageError('give either a certificate chain or --jwt, not both');
  if (audiences.length === 0 || audiences.includes(''))
    throw new UsageError(
      '--jwt needs --audience, the name the validator goes by: a token without an audience proves nothing',
    );
  const answer = await agentFor(options).call('POST /v1/verify-jwt', {
    body: { token: readToken(jwt), audiences },
  });
  terminal.result(answer, (view) => textOfToken(answer, view));
  return answer.accepted;
}

function textOfChain(answer: VerifyDocument, view: View): string {
  if (!answer.accepted) return textOfRefusal(answer, view);
  return renderFields(
    [
      ['accepted', view.paint('green', answer.spiffe_id ?? '')],
      [
        'by root',
        answer.anchor === null
          ? undefined
          : `${answer.anchor.subject || '(no subject)'} sha256:${answer.anchor.fingerprint}`,
      ],
      ['of', textOfBundle(answer)],
      ['until', answer.not_after === null ? undefined : view.at(answer.not_after)],
      ...answer.warnings.map((warning): [string, string] => [
        'WARNING',
        `${WARNINGS[warning] ?? warning}: strict verifiers refuse it [${warning}]`,
      ]),
    ],
    view,
  );
}

const WARNINGS: Readonly<Record<string, string>> = {
  'key-usage-missing': 'the leaf has no key usage',
  'key-usage-not-critical': 'the key usage of the leaf is not critical',
};

function textOfToken(answer: VerifyJwtDocument, view: View): string {
  if (!answer.accepted) return textOfRefusal(answer, view);
  return renderFields(
    [
      ['accepted', view.paint('green', answer.spiffe_id ?? '')],
      [
        'by key',
        answer.key === null ? undefined : `${JSON.stringify(answer.key.key_id)} (${answer.key.algorithm})`,
      ],
      ['of', textOfBundle(answer)],
      ['for', answer.audiences.map((audience) => JSON.stringify(audience)).join(', ')],
      ['until', answer.not_after === null ? undefined : view.at(answer.not_after)],
    ],
    view,
  );
}

function textOfBundle({
  trust_domain: name,
  bundle_version: version,
}: VerifyDocument | VerifyJwtDocument): string {
  return `${name ?? ''}${version === null ? '' : `, bundle version ${version}`}`;
}

function textOfRefusal({ code, message }: VerifyDocument | VerifyJwtDocument, view: View): string {
  const hint = hintFor(code ?? undefined);
  return [
    `${view.paint('red', 'refused:')} ${view.words(message ?? 'no reason given')} [${code ?? 'unknown'}]`,
    ...(hint === undefined ? [] : [`  → ${hint}`]),
  ].join('\n');
}
