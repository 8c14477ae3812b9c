import { type ProcessContext, readRegularText } from '../platform/index.ts';
import { createForbiddenRanges, createHostLookup, type Federation } from '../federation/index.ts';
import { type InvitationParts, Invitations } from '../invitation/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import { certificatesFromPem, CodedError, type TrustBundle } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import type { AgentConfig } from '../config/index.ts';
import { AgentError } from './errors.ts';

/** What the agent's invitations need. */
export interface InvitationSetup {
  readonly config: AgentConfig;
  readonly store: Store;
  readonly federation: Federation;
  readonly own: () => TrustBundle | undefined;
  readonly svid: SvidSource | undefined;
  readonly limits: Pick<InvitationParts, 'fetchLimits' | 'bundleLimits' | 'proxy'>;
}

/**
 * The agent's invitations; `start` is left to the caller. Throws `AgentError` `ca-file-unusable`.
 */
export async function createInvitations(
  { config, limits, ...parts }: InvitationSetup,
  { clock, random, log }: ProcessContext,
): Promise<Invitations> {
  const { endpoint, federation } = config;
  const caFile = endpoint.profile === 'https_web' ? endpoint.ca_file : undefined;
  return new Invitations({
    ...parts,
    ...limits,
    endpoint: {
      url: endpoint.url,
      profile: endpoint.profile,
      ...(caFile === undefined ? {} : { webPkiCaPem: await readCa(caFile) }),
    },
    guard: createForbiddenRanges(federation.forbidden_addresses),
    lookup: createHostLookup(),
    clock,
    random,
    log: log.with({ part: 'invitations' }),
  });
}

async function readCa(path: string): Promise<string> {
  try {
    const pem = await readRegularText(path);
    certificatesFromPem(pem);
    return pem;
  } catch (cause) {
    if (!(cause instanceof CodedError) && !(cause instanceof Error && 'code' in cause)) throw cause;
    throw new AgentError(
      'ca-file-unusable',
      `reading the CA of our endpoint, ${path}, failed: ${cause.message}`,
      {
        cause,
      },
    );
  }
}
