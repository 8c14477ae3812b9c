/** One line that sets up both directions of a relationship: give it, use it, take it back. */
export { Invitations } from './invitations.ts';
export { looksLikeInvitation } from './line.ts';
export type { InvitationParts } from './parts.ts';
