import { type Command, Option } from 'commander';
import type { AddDocument, StandingDocument } from '../../admin-client/index.ts';
import { given, defined } from '../../objects/index.ts';
import { eachOf, type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { SIGNED_HELP, SIGNER_HELP, signedSource } from '../signed-source.ts';
import { staleAfterSeconds, type TermsOptions, withTerms } from '../relationship-terms.ts';
import { readText } from '../named-file.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import { textOfTaken } from './invite.ts';
import { textOfWarning } from './status.ts';
import type { View } from '../view.ts';

interface AddOptions extends AgentOptions, TermsOptions {
  readonly peer: readonly [string, ...string[]];
  readonly trustDomain?: string;
  readonly profile?: 'https_web' | 'https_spiffe';
  readonly signed?: boolean;
  readonly signer?: string;
  readonly endpointId?: string;
  readonly bundle?: string;
  readonly pin?: string;
  readonly webPki?: boolean;
  readonly fromMesh?: boolean;
  readonly caFile?: string;
  readonly evenForeignKeys?: boolean;
}

/** `federate add`: bootstrap trust with a peer, once. */
export function addCommand(program: Command, terminal: Terminal): void {
  withTerms(withAgent(program.command('add')))
    .description('bootstrap trust with a peer: from then on its bundle is polled, kept and given to the mesh')
    .requiredOption(
      '--peer <line|url>',
      "the peer's invitation, which needs nothing else (- reads it from standard input); or its bundle endpoint, again for each further address",
      eachOf,
    )
    .option('--trust-domain <name>', "the peer's trust domain; never guessed from the URL")
    .addOption(
      new Option('--profile <profile>', 'how the endpoint proves who it is').choices([
        'https_spiffe',
        'https_web',
      ]),
    )
    .option('--endpoint-id <id>', "https_spiffe: the endpoint's SPIFFE ID")
    .option('--signed', SIGNED_HELP)
    .option('--signer <id>', SIGNER_HELP)
    .option(
      '--bundle <file>',
      'first trust from a file: a SPIFFE bundle document, or PEM; - is standard input',
    )
    .option(
      '--pin <pin>',
      'first trust from a pin: sha256: of the bundle, or of the public key of one of its roots',
    )
    .option('--web-pki', 'https_web: first trust from the Web PKI alone')
    .option(
      '--from-mesh',
      'first trust from a key that our mesh holds of the peer, after a lost store ("federate adopt")',
    )
    .option(
      '--ca-file <file>',
      "https_web: the endpoint's certificate is checked with these CAs instead of the system's",
    )
    .option(
      '--even-foreign-keys',
      'although a key of the first bundle belongs to another trust domain, or a root names one, on record',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ federate add --peer 'FEDERATE:AEAAC4…'
  $ federate add --peer - < line.txt
  $ federate add --peer https://federation.b.example:8443/ --trust-domain b.example \\
      --profile https_spiffe --endpoint-id spiffe://b.example/federate \\
      --pin sha256:9f2c…
  $ federate add --peer https://b.example/bundle --trust-domain b.example \\
      --profile https_web --web-pki
  $ spire-server bundle show -format spiffe | federate add --peer https://c.example:8443/ \\
      --trust-domain c.example --profile https_spiffe \\
      --endpoint-id spiffe://c.example/spire/server --bundle -
  $ federate add --peer https://cdn.example/b.jws --signed --trust-domain b.example \\
      --signer spiffe://b.example/federate --pin sha256:9f2c…

An invitation ("federate invite" on the other side) sets up both directions. With
a URL one call trusts one direction, and each side adds the other; the peer's own
"federate status" prints what is needed.`,
    )
    .action(async (options: AddOptions) => {
      const [first, another] = options.peer;
      const line = first === '-' ? readText('-', '--peer').trim() : first;
      if (first === '-' || (await isInvitation(line))) {
        if (another !== undefined)
          throw new UsageError('an invitation says everything about the peer: leave the other --peer out');
        refuseBesideInvitation(options);
        const taken = await agentFor(options).call('POST /v1/invitations/take', { body: { line } });
        terminal.result(taken, () => textOfTaken(taken, options));
        return;
      }
      const answer = await agentFor(options).call('POST /v1/relationships', { body: documentFrom(options) });
      terminal.result(answer, (view) => textOf(answer, options, view));
    });
}

/**
 * Whether the word is an invitation. A URL is answered at once, so that the rooms of the server
 * stay unloaded.
 */
async function isInvitation(word: string): Promise<boolean> {
  if (URL.parse(word)?.protocol === 'https:') return false;
  const { looksLikeInvitation } = await import('../../invitation/index.ts');
  return looksLikeInvitation(word);
}

/** Throws `UsageError` for an option next to an invitation, which contains everything already. */
function refuseBesideInvitation({
  peer: _line,
  socket: _socket,
  output: _output,
  ...others
}: AddOptions): void {
  const [name] = Object.entries(others).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (name === undefined) return;
  const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new UsageError(`an invitation says everything about the peer: leave --${option} out`);
}

function documentFrom(options: AddOptions): AddDocument {
  const { trustDomain, profile } = options;
  if (trustDomain === undefined)
    throw new UsageError(
      '--peer with a URL needs --trust-domain as well; only an invitation needs nothing else',
    );
  const { fromMesh = false, webPki = false } = options;
  const proofs = [options.bundle !== undefined, options.pin !== undefined, webPki, fromMesh];
  if (proofs.filter(Boolean).length > 1)
    throw new UsageError(
      'first trust comes from one of --bundle, --pin, --web-pki and --from-mesh, not from several',
    );
  const signed = signedSource({ ...options, peer: options.peer[0] });
  if (signed && (profile ?? options.endpointId ?? options.caFile) !== undefined)
    throw new UsageError('--signed takes the place of --profile, --endpoint-id and --ca-file');
  if (signed && options.webPki === true)
    throw new UsageError(
      'a signed bundle is proved by its signature: first trust in it needs --pin or --bundle',
    );
  if (!signed && profile === undefined)
    throw new UsageError('--profile is needed: https_spiffe or https_web, as the peer says; or --signed');
  if (profile === 'https_spiffe') {
    if (options.endpointId === undefined)
      throw new UsageError(
        '--profile https_spiffe needs --endpoint-id, the SPIFFE ID the endpoint must prove',
      );
    if (options.webPki === true || options.caFile !== undefined) {
      throw new UsageError(
        '--web-pki and --ca-file go with --profile https_web; there is no falling back from one profile to the other',
      );
    }
  } else if (options.endpointId !== undefined) {
    throw new UsageError('--endpoint-id goes with --profile https_spiffe');
  }
  const { policy, staleAfter } = options;
  const [url = '', ...more] = options.peer.map((peer) => signedSource({ ...options, peer })?.url ?? peer);
  return {
    trust_domain: trustDomain,
    endpoint_url: url,
    ...(more.length === 0 ? {} : { more_endpoint_urls: more }),
    ...defined({ policy }),
    ...defined({ stale_after_seconds: given(staleAfter, staleAfterSeconds) }),
    profile: profile ?? 'signed_bundle',
    ...(signed ? { signer_id: signed.signerId } : {}),
    ...defined({ endpoint_id: options.endpointId }),
    ...defined({ bundle: given(options.bundle, (file) => readText(file, '--bundle')) }),
    ...defined({ pin: options.pin }),
    ...(webPki ? { web_pki: true } : {}),
    ...(fromMesh ? { from_mesh: true } : {}),
    ...defined({ ca_pem: given(options.caFile, (file) => readText(file, '--ca-file')) }),
    ...(options.evenForeignKeys === true ? { even_foreign_keys: true } : {}),
  };
}

function textOf(answer: StandingDocument, called: CalledWith, view: View): string {
  const { trust_domain: name } = answer;
  const lines = [
    `Federated with ${name} in one direction: identities of ${name} are accepted here.`,
    `For the other direction, the operator of ${name} runs the line that "${nextStep(called, 'status')}" prints.`,
  ];
  if (answer.code !== null) {
    lines.push(
      `Its endpoint could not be polled yet [${answer.code}]: ${view.words(answer.message ?? '')}`,
      inUse(answer, 'The bundle you gave'),
    );
  }
  lines.push(...answer.warnings.map((warning) => textOfWarning(warning, view)));
  lines.push(`See it with "${nextStep(called, 'show', answer.trust_domain)}".`);
  return lines.join('\n');
}

/** What counts of a peer whose endpoint gave nothing new. */
export function inUse({ state }: StandingDocument, bundle: string): string {
  if (state === 'stale')
    return 'None of its identities is accepted until a poll succeeds. Polling continues.';
  if (state === 'needs-bootstrap')
    return 'Its endpoint can no longer be authenticated, so polls cannot help: "federate bundle set --help" shows the way out.';
  return `${bundle} is in use. Polling continues.`;
}
