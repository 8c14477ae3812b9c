import { defined } from '../objects/index.ts';
import type { TrustBundle, TrustDomain } from '../spiffe/index.ts';
import { type InvitationChange, StoreError } from '../store/index.ts';
import { type AddRequest, FederationError, type InvitedBundle } from '../federation/index.ts';
import type { FederationParts, InvitationParts } from './parts.ts';
import type { Side } from './side.ts';

/** The relationship that an invitation is to become. */
export interface InvitedPeer {
  readonly side: Side;
  readonly first: InvitedBundle;
  readonly actor: string;
  readonly spent: InvitationChange;
}

/**
 * Adds the relationship with the other side of an invitation, and spends the invitation in the same
 * transaction. A relationship that exists is renewed: its endpoint becomes the one of the
 * invitation, and the agent polls it. What is trusted stays until that poll is judged. Rejects with
 * the errors of adding or changing a relationship, and with `StoreError` `invitation-spent` when
 * another request was faster.
 */
export async function federateWith(parts: InvitationParts, peer: InvitedPeer): Promise<void> {
  const { federation, store } = parts;
  if (!isFederated(federation, peer.side.trustDomain)) {
    await federation.relationships.add(requestFor(peer));
    return;
  }
  if (!(await store.changeInvitation(peer.spent)))
    throw new StoreError('invitation-spent', `the invitation ${peer.spent.id} is in another state now`);
  const { side, actor, first } = peer;
  const [endpointUrl = '', ...moreEndpointUrls] = side.endpointUrls;
  await federation.relationships.change(side.trustDomain, {
    endpointUrl,
    moreEndpointUrls,
    profile: side.profile,
    agentId: side.agentId,
    webPkiCaPem: side.webPkiCaPem ?? null,
    actor,
    reason: `renewed by ${first.detail}`,
  });
}

/**
 * Refuses beforehand what `federateWith` would refuse, before the other side relies on it. Rejects
 * as that does.
 */
export async function checkPeer({ federation }: InvitationParts, peer: InvitedPeer): Promise<void> {
  if (!isFederated(federation, peer.side.trustDomain)) await federation.relationships.check(requestFor(peer));
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
      ...defined({ caPem: side.webPkiCaPem }),
    },
  };
}

/**
 * Gives the bundle that has to prove the other side of an invitation: the bundle that it reported.
 * Where there is a relationship, only roots count that were held here for the overlap lead time.
 * Every holder of a line can report any bundle, and the operator of an `https_web` endpoint can add
 * a root. The relationship must pass to neither of them. Rejects with `FederationError`
 * `already-federated` where no root proves that, and with `StoreError`.
 */
export async function provable({ federation }: InvitationParts, reported: TrustBundle): Promise<TrustBundle> {
  const { trustDomain } = reported;
  if (!isFederated(federation, trustDomain)) return reported;
  const vouching = await federation.relationships.vouchingRoots(reported);
  if (vouching) return vouching;
  throw new FederationError(
    'already-federated',
    `there is a relationship with ${trustDomain} already, and it cannot be renewed: none of the roots that came with the invitation was held here for federation.overlap_lead. Wait for that time, or remove the relationship first`,
  );
}

export function isFederated({ peers }: Pick<FederationParts, 'peers'>, peer: TrustDomain): boolean {
  return peers.find(peer) !== undefined;
}

/** What the audit keeps of what the first trust rested on. */
export function proofDetail(id: string, words: string): string {
  return `invitation ${id}, words: ${words}`;
}
