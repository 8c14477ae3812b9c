import type { Hono } from 'hono';
import { z } from 'zod';
import type { StoredInvitation } from '../store/index.ts';
import { actorOf, dropUndefined, readBody } from './admin-request.ts';
import type { InvitationDocument, InviteDocument, InvitedDocument } from '../admin-client/index.ts';

/** What the running agent does about invitations for the admin API. */
export interface InvitationServices {
  invite(
    request: InviteDocument,
    actor: string,
  ): Promise<{ readonly line: string; readonly invitation: StoredInvitation }>;
  invitations(): Promise<readonly StoredInvitation[]>;
  cancelInvitation(id: string, actor: string): Promise<StoredInvitation>;
  /** By ID or by the four words. */
  approveInvitation(wordsOrId: string, actor: string): Promise<StoredInvitation>;
  takeInvitation(line: string, actor: string): Promise<StoredInvitation>;
}

const MAX_LINE_CHARACTERS = 65_536;

const inviteRequest = z.strictObject({
  peer: z.string().optional(),
  expires_in_seconds: z.number().optional(),
  require_approval: z.boolean().optional(),
});
const takeRequest = z.strictObject({ line: z.string().max(MAX_LINE_CHARACTERS) });
const approveRequest = z.strictObject({ words_or_id: z.string().max(200) });

/** Adds what the admin API has about invitations. */
export function addInvitationRoutes(app: Hono, services: InvitationServices): void {
  app.post('/v1/invitations', async (context) => {
    const request: InviteDocument = dropUndefined(await readBody(context, inviteRequest));
    const { line, invitation } = await services.invite(request, actorOf(context));
    const answer: InvitedDocument = { ...describeInvitation(invitation), line };
    return context.json(answer, 201);
  });

  app.get('/v1/invitations', async (context) =>
    context.json((await services.invitations()).map(describeInvitation)),
  );

  app.delete('/v1/invitations/:id', async (context) => {
    const cancelled = await services.cancelInvitation(context.req.param('id'), actorOf(context));
    return context.json(describeInvitation(cancelled));
  });

  app.post('/v1/invitations/approve', async (context) => {
    const { words_or_id: wordsOrId } = await readBody(context, approveRequest);
    return context.json(describeInvitation(await services.approveInvitation(wordsOrId, actorOf(context))));
  });

  app.post('/v1/invitations/take', async (context) => {
    const { line } = await readBody(context, takeRequest);
    return context.json(describeInvitation(await services.takeInvitation(line, actorOf(context))), 201);
  });
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
