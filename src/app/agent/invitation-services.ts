import type { InvitationServices } from '../../dashboard/index.ts';
import type { Invitations } from '../../federation/index.ts';
import { parseTrustDomain } from '../../spiffe/index.ts';

/** What the admin API can ask of the agent's invitations. */
export function createInvitationServices(invitations: Invitations): InvitationServices {
  return {
    invite: ({ peer, expires_in_seconds: expiresInSeconds, require_approval: requireApproval }, actor) =>
      invitations.give({
        actor,
        ...(peer === undefined ? {} : { peer: parseTrustDomain(peer) }),
        ...(expiresInSeconds === undefined ? {} : { expiresInSeconds }),
        ...(requireApproval === undefined ? {} : { requireApproval }),
      }),
    invitations: () => invitations.list(),
    cancelInvitation: (id, actor) => invitations.cancel(id, actor),
    approveInvitation: (wordsOrId, actor) => invitations.approve(wordsOrId, actor),
    takeInvitation: async (line, actor) => (await invitations.take(line, actor)).invitation,
  };
}
