import { defined } from '../objects/index.ts';
import { readRegularText } from '../platform/index.ts';
import { type InvitationParts, Invitations } from '../invitation/index.ts';
import { certificatesFromPem, CodedError } from '../spiffe/index.ts';
import type { AgentConfig } from '../config/index.ts';
import { AgentError } from './errors.ts';

/**
 * The agent's invitations; `start` is left to the caller. Throws `AgentError` `ca-file-unusable`.
 */
export async function createInvitations(
  { endpoint }: Pick<AgentConfig, 'endpoint'>,
  parts: Omit<InvitationParts, 'endpoint'>,
): Promise<Invitations> {
  const caFile = endpoint.profile === 'https_web' ? endpoint.ca_file : undefined;
  const webPkiCaPem = caFile === undefined ? undefined : await readCa(caFile);
  const { url, profile } = endpoint;
  return new Invitations({ ...parts, endpoint: { url, profile, ...defined({ webPkiCaPem }) } });
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
