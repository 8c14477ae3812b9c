import type { TrustDomain } from '../../spiffe/index.ts';
import type { InvitationChange } from '../../store/index.ts';
import type { AddRequest } from '../add-relationship.ts';
import type { InvitedBundle } from '../bootstrap.ts';
import { FederationError } from '../errors.ts';
import type { Federation, InvitationParts } from './parts.ts';
import type { Side } from './side.ts';

/** The relationship that an invitation is to become. */
export interface InvitedPeer {
  readonly side: Side;
  readonly first: InvitedBundle;
  readonly actor: string;
  readonly spent: InvitationChange;
}

/**
 * Adds the relationship with the other side of an invitation, which is spent in the same transaction. Rejects with what adding a
 * relationship is refused with, and with `StoreError` `invitation-spent` when somebody was faster.
 */
export async function federateWith({ federation }: InvitationParts, peer: InvitedPeer): Promise<void> {
  await federation.add(requestFor(peer));
}

/** Refuses beforehand what `federateWith` would refuse, before the other side relies on it. Rejects as that does. */
export async function checkPeer({ federation }: InvitationParts, peer: InvitedPeer): Promise<void> {
  await federation.check(requestFor(peer));
}

function requestFor({ side, first, actor, spent }: InvitedPeer): AddRequest {
  const [endpointUrl = '', ...moreEndpointUrls] = side.endpointUrls;
  return {
    trustDomain: side.trustDomain,
    endpointUrl,
    moreEndpointUrls,
    profile: side.profile,
    agentId: side.agentId,
    actor,
    bootstrap: {
      kind: 'invitation',
      first,
      spent,
      ...(side.webPkiCaPem === undefined ? {} : { caPem: side.webPkiCaPem }),
    },
  };
}

/** Throws `FederationError` `already-federated` where there is a relationship with that trust domain. */
export function refuseFederated({ federation }: InvitationParts, peer: TrustDomain): void {
  if (!isFederated(federation, peer)) return;
  throw new FederationError('already-federated', `there is a relationship with ${peer} already`);
}

export function isFederated(federation: Federation, peer: TrustDomain): boolean {
  return federation.status().some(({ trustDomain }) => trustDomain === peer);
}

/** What the audit keeps of what the first trust rested on. */
export function proofDetail(id: string, words: string): string {
  return `invitation ${id}, words: ${words}`;
}
