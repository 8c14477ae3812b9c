import { z } from 'zod';
import { coded, count, instant, trustDomain } from './fields.ts';
import type { Document, RequestDocument, Routes } from './route.ts';

const MAX_LINE_CHARACTERS = 65_536;

const invitation = z
  .object({
    id: z.string(),
    role: z.enum(['inviter', 'newcomer']),
    state: z.string(),
    reason: coded.nullable(),
    peer: trustDomain.nullable().describe('The inviter; or who is expected to redeem it, and then who did.'),
    require_approval: z.boolean(),
    failed_tries: count,
    created_at: instant,
    created_by: z.string(),
    expires_at: instant,
    ended_at: instant.nullable(),
    words: z.string().nullable().describe('The four words that both consoles show, once it was redeemed.'),
  })
  .meta({
    id: 'Invitation',
    description: 'An invitation that was given (inviter) or taken up (newcomer). It holds no secret.',
  });
export type InvitationDocument = Document<typeof invitation>;

const invite = z
  .strictObject({
    peer: trustDomain.optional().describe('The only trust domain that may redeem it.'),
    expires_in_seconds: z.number().optional(),
    require_approval: z.boolean().optional(),
  })
  .meta({ id: 'Invite', description: 'A new invitation.' });
export type InviteDocument = RequestDocument<typeof invite>;

const invited = z
  .object({
    ...invitation.shape,
    line: z.string().describe('Holds the secret. It is shown once and never again.'),
  })
  .meta({ id: 'Invited', description: 'A new invitation with its line.' });
export type InvitedDocument = Document<typeof invited>;

export const invitationRoutes = {
  'GET /v1/invitations': {
    summary: 'Every invitation that was given or taken up.',
    role: 'viewer',
    answer: z.array(invitation),
    errors: [],
  },
  'POST /v1/invitations': {
    summary: 'Make an invitation: one line that sets up both directions.',
    role: 'admin',
    body: invite,
    answer: invited,
    status: 201,
    errors: [
      'own-bundle-unknown',
      'identity-missing',
      'identity-unusable',
      'invitation-expiry-invalid',
      'too-many-invitations',
    ],
  },
  'DELETE /v1/invitations/{id}': {
    summary: 'Cancel an invitation.',
    role: 'admin',
    answer: invitation,
    errors: ['no-such-invitation', 'invitation-not-open'],
  },
  'POST /v1/invitations/approve': {
    summary: 'Approve an invitation that was redeemed, by its ID or its four words.',
    role: 'admin',
    body: z
      .strictObject({ words_or_id: z.string().max(200) })
      .meta({ id: 'Approve', description: 'The invitation to approve.' }),
    answer: invitation,
    errors: ['no-such-invitation', 'invitation-not-open'],
  },
  'POST /v1/invitations/take': {
    summary: 'Take up the invitation of a peer.',
    role: 'admin',
    body: z
      .strictObject({ line: z.string().max(MAX_LINE_CHARACTERS) })
      .meta({ id: 'Take', description: 'The line of an invitation.' }),
    answer: invitation,
    status: 201,
    errors: [
      'own-bundle-unknown',
      'identity-missing',
      'invitation-malformed',
      'invitation-expired',
      'invitation-own',
      'invitation-for-another',
      'invitation-refused',
      'invitation-declined',
    ],
  },
} as const satisfies Routes;
