import type { InvitationChange } from '../../store/index.ts';
import type { InvitedBundle } from '../bootstrap.ts';
import type { InvitationParts } from './parts.ts';
import type { Side } from './side.ts';

/**
 * Adds the relationship with the other side of an invitation, which is spent in the same transaction. Rejects with what adding a
 * relationship is refused with, and with `StoreError` `invitation-spent` when somebody was faster.
 */
export async function federateWith(
  { federation }: InvitationParts,
  request: {
    readonly side: Side;
    readonly first: InvitedBundle;
    readonly actor: string;
    readonly spent: InvitationChange;
  },
): Promise<void> {
  const { side, first, actor, spent } = request;
  const [endpointUrl = '', ...moreEndpointUrls] = side.endpointUrls;
  await federation.add({
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
  });
}

/** What the audit keeps of what the first trust rested on. */
export function proofDetail(id: string, words: string): string {
  return `invitation ${id}, words: ${words}`;
}
