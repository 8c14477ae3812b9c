/** The requests about an invitation at the inviter's endpoint. */
export type InvitationStep = 'hello' | 'redeem' | 'status';

/** The paths of these requests, with ID and step. */
export const INVITATION_STEP = /^\/federate\/invitations\/([0-9a-f]{16})\/(hello|redeem|status)$/;

/** A request at our endpoint, as the endpoint reports it. */
export interface ReceptionRequest {
  readonly method: string;
  readonly path: string;
  readonly remoteAddress: string;
  readonly connection: object;
  readonly tlsVersion: string;
  exportKey(length: number, label: string): Uint8Array;
}

/** An answer of the inviter; undefined is the one that an unknown path gets. */
export type ReceptionAnswer = { readonly status: number; readonly body: string } | undefined;

export function jsonAnswer(status: number, body: unknown): ReceptionAnswer {
  return { status, body: JSON.stringify(body) };
}

/** The path of one step, at the host of the inviter's bundle endpoint. */
export function pathOfStep(id: string, step: InvitationStep): string {
  return `/federate/invitations/${id}/${step}`;
}
