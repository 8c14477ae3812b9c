import { createSpiffeVerifier } from '../mtls/index.ts';
import { CodedError, type TrustBundle } from '../spiffe/index.ts';
import { InvitationError } from './errors.ts';
import type { Invitation } from './line.ts';
import { pinnedPart } from './own-side.ts';
import type { InvitationParts } from './parts.ts';
import type { Side } from './side.ts';
import { reportedBundle } from './reported-bundle.ts';

/**
 * Compares the other side's report about itself with the line: the same names, profile, address and
 * at least one root that the line pins. Over `https_spiffe` the connection's certificate must be
 * under such a root. Returns the pinned roots; only they may verify its signature. Throws
 * `InvitationError` `inviter-unproved`.
 */
export function holdAgainstLine(
  parts: InvitationParts,
  invitation: Invitation,
  inviter: Side,
  chain: readonly Uint8Array[],
): TrustBundle {
  const { trustDomain, agentId, profile, endpointUrls, rootPins } = invitation;
  if (inviter.trustDomain !== trustDomain || inviter.agentId !== agentId)
    throw unproved(`the line names ${agentId}, and ${inviter.agentId} answered`);
  if (inviter.profile.kind !== profile.kind)
    throw unproved(`the line names the profile ${profile.kind}, and the answer ${inviter.profile.kind}`);
  if (!inviter.endpointUrls.every((url) => endpointUrls.includes(url)))
    throw unproved(
      `the line names ${endpointUrls.join(', ')}, and the answer ${inviter.endpointUrls.join(', ')}`,
    );
  const roots = pinnedPart(inviter.bundle, rootPins);
  if (roots.x509Authorities.length === 0)
    throw unproved(`none of the roots in the answer is one that the line pins`);
  if (profile.kind === 'https_spiffe') {
    try {
      const verifier = createSpiffeVerifier({
        bundles: reportedBundle(parts, roots),
        clock: parts.clock,
      });
      const { id } = verifier.verify(chain, 'server');
      if (id !== agentId) throw unproved(`the endpoint showed ${id}, and the line names ${agentId}`);
    } catch (cause) {
      if (cause instanceof InvitationError || !(cause instanceof CodedError)) throw cause;
      throw unproved(
        `the endpoint showed no X509-SVID under a root that the line pins: ${cause.message}`,
        cause,
      );
    }
  }
  return roots;
}

function unproved(why: string, cause?: unknown): InvitationError {
  return new InvitationError(
    'inviter-unproved',
    `the agent that answered is not the inviter of this line: ${why}`,
    {
      cause,
    },
  );
}
