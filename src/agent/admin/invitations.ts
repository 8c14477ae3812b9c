import type { HandlersOf, InvitationDocument, invitationRoutes } from '../../admin/index.ts';
import type { Invitations } from '../../invitation/index.ts';
import { given } from '../../objects/index.ts';
import { parseTrustDomain } from '../../spiffe/index.ts';
import type { StoredInvitation } from '../../store/index.ts';

/** Gives, shows, cancels, approves and takes up invitations. */
export function invitationHandlers({
  desk,
  taker,
}: Pick<Invitations, 'desk' | 'taker'>): HandlersOf<keyof typeof invitationRoutes> {
  return {
    'GET /v1/invitations': async () => (await desk.list()).map(describeInvitation),
    'POST /v1/invitations': async ({ body, actor }) => {
      const peer = given(body.peer, parseTrustDomain);
      const { line, invitation } = await desk.give(
        actor,
        peer,
        body.expires_in_seconds,
        body.require_approval,
      );
      return { ...describeInvitation(invitation), line };
    },
    'DELETE /v1/invitations/{id}': async ({ params, actor }) =>
      describeInvitation(await desk.cancel(params.id, actor)),
    'POST /v1/invitations/approve': async ({ body, actor }) =>
      describeInvitation(await desk.approve(body.words_or_id, actor)),
    'POST /v1/invitations/take': async ({ body, actor }) =>
      describeInvitation((await taker.take(body.line, actor)).invitation),
  };
}

function describeInvitation(invitation: StoredInvitation): InvitationDocument {
  const { id, role, state, reason, peer, words, endedAt } = invitation;
  return {
    id,
    role,
    state,
    reason: reason ?? null,
    peer: peer ?? null,
    require_approval: invitation.requireApproval,
    failed_tries: invitation.failedTries,
    created_at: invitation.createdAt.toISOString(),
    created_by: invitation.createdBy,
    expires_at: invitation.expiresAt.toISOString(),
    ended_at: endedAt?.toISOString() ?? null,
    words: words ?? null,
  };
}
