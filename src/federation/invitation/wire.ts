/** What can be said about an invitation at the inviter's endpoint. */
export type InvitationStep = 'hello' | 'redeem' | 'status';

/** The paths on which it is said, with ID and step. */
export const INVITATION_STEP = /^\/federate\/invitations\/([0-9a-f]{16})\/(hello|redeem|status)$/;

/** The path of one step, at the host of the inviter's bundle endpoint. */
export function pathOfStep(id: string, step: InvitationStep): string {
  return `/federate/invitations/${id}/${step}`;
}
