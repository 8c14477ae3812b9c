import { type Command, Option } from 'commander';
import type { ChangeDocument, StandingDocument } from '../../admin-client/index.ts';
import { given, defined } from '../../objects/index.ts';
import { eachOf, type AgentOptions, agentFor, withAgent } from '../agent-options.ts';
import { staleAfterSeconds, type TermsOptions, withTerms } from '../relationship-terms.ts';
import { type CalledWith, nextStep } from '../next-step.ts';
import { type Terminal, UsageError } from '../terminal.ts';
import { SIGNED_HELP, SIGNER_HELP, signedSource } from '../signed-source.ts';
import { readText } from '../named-file.ts';
import { inUse } from './add.ts';
import { textOfWarning } from './status.ts';
import type { View } from '../view.ts';

interface ChangeOptions extends AgentOptions, TermsOptions {
  readonly peer?: readonly [string, ...string[]];
  readonly profile?: 'https_web' | 'https_spiffe';
  readonly endpointId?: string;
  readonly signed?: boolean;
  readonly signer?: string;
  readonly caFile?: string;
  readonly publicCas?: boolean;
  readonly neverStale?: boolean;
  readonly reason?: string;
}

/**
 * `federate change`: another endpoint for a relationship; what is trusted stays (FED-09, FED-10).
 */
export function changeCommand(program: Command, terminal: Terminal): void {
  withTerms(withAgent(program.command('change <trust-domain>')))
    .description(
      "change where and how a peer's endpoint is asked, and on which terms, on record; what is held stays",
    )
    .option(
      '--peer <url>',
      "the peer's bundle endpoint from now on; again for each further address of it",
      eachOf,
    )
    .addOption(
      new Option('--profile <profile>', 'how the endpoint proves who it is from now on').choices([
        'https_spiffe',
        'https_web',
      ]),
    )
    .option('--endpoint-id <id>', "https_spiffe: the endpoint's SPIFFE ID")
    .option('--signed', SIGNED_HELP)
    .option('--signer <id>', SIGNER_HELP)
    .option('--ca-file <file>', 'https_web: check its certificate with these CAs')
    .option('--public-cas', "https_web: check its certificate with the system's CAs again")
    .option('--never-stale', 'without a limit of age again')
    .option('--reason <text>', 'why, for the audit log')
    .addHelpText(
      'after',
      `
Examples:
  $ federate change b.example --peer https://new.b.example:8443/
  $ federate change b.example --policy ask-always --stale-after 7d
  $ federate change b.example --profile https_spiffe \\
      --endpoint-id spiffe://b.example/federate --reason "now with an SVID"

The new endpoint is asked at once; when it does not answer, the change stays and
so does the last good bundle. Another trust domain is another relationship.`,
    )
    .action(async (trustDomain: string, options: ChangeOptions) => {
      const answer = await agentFor(options).call('PATCH /v1/relationships/{trust_domain}', {
        params: { trust_domain: trustDomain },
        body: documentFrom(options),
      });
      terminal.result(answer, (view) => textOf(answer, options, view));
    });
}

function documentFrom(options: ChangeOptions): ChangeDocument {
  const { peer, profile, endpointId, caFile, publicCas, reason } = options;
  const terms = termsFrom(options);
  const [first] = peer ?? [];
  const signed = signedSource({ ...options, peer: first });
  if (signed && (profile ?? endpointId ?? caFile ?? publicCas) !== undefined)
    throw new UsageError('--signed takes the place of --profile, --endpoint-id, --ca-file and --public-cas');
  if (signed) {
    const urls = peer?.map((each) => signedSource({ ...options, peer: each })?.url ?? each);
    return {
      ...terms,
      profile: 'signed_bundle',
      signer_id: signed.signerId,
      ...(urls === undefined ? {} : { endpoint_url: urls[0] ?? '', more_endpoint_urls: urls.slice(1) }),
      ...defined({ reason }),
    };
  }
  const web = caFile !== undefined || publicCas === true;
  const nothing = peer === undefined && profile === undefined && endpointId === undefined && !web;
  if (nothing && Object.keys(terms).length === 0)
    throw new UsageError(
      'nothing is to be changed: name --peer, --profile, --endpoint-id, --signed, --ca-file, --public-cas, --policy, --stale-after or --never-stale',
    );
  if (profile === 'https_spiffe' && endpointId === undefined)
    throw new UsageError('--profile https_spiffe needs --endpoint-id, the SPIFFE ID the endpoint must prove');
  if (profile === 'https_web' && endpointId !== undefined)
    throw new UsageError('--endpoint-id goes with --profile https_spiffe');
  if (endpointId !== undefined && web)
    throw new UsageError('--ca-file and --public-cas go with --profile https_web');
  if (caFile !== undefined && publicCas === true)
    throw new UsageError('the CAs are those of --ca-file or the public ones, not both');
  return {
    ...terms,
    ...(peer === undefined ? {} : { endpoint_url: peer[0], more_endpoint_urls: peer.slice(1) }),
    ...defined({ profile, endpoint_id: endpointId }),
    ...(caFile === undefined ? {} : { ca_pem: readText(caFile, '--ca-file') }),
    ...(publicCas === true ? { ca_pem: null } : {}),
    ...defined({ reason }),
  };
}

function termsFrom({ policy, staleAfter, neverStale }: ChangeOptions): ChangeDocument {
  if (staleAfter !== undefined && neverStale === true)
    throw new UsageError('the limit of age is that of --stale-after or none, not both');
  return {
    ...defined({ policy }),
    ...defined({ stale_after_seconds: given(staleAfter, staleAfterSeconds) }),
    ...(neverStale === true ? { stale_after_seconds: null } : {}),
  };
}

function textOf(answer: StandingDocument, called: CalledWith, view: View): string {
  const { trust_domain: name, code, message } = answer;
  const lines = [`The relationship with ${name} is changed.`];
  if (code !== null)
    lines.push(
      `Its endpoint could not be polled yet [${code}]: ${view.words(message ?? '')}`,
      inUse(answer, 'The last good bundle'),
    );
  lines.push(...answer.warnings.map((warning) => textOfWarning(warning, view)));
  lines.push(`See it with "${nextStep(called, 'show', name)}".`);
  return lines.join('\n');
}
