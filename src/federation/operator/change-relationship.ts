import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { EndpointProfile, SpiffeId } from '../../spiffe/index.ts';
import type { ChangePolicy, Relationship, Store } from '../../store/index.ts';
import { checkEndpoint, type EndpointCheckParts } from './check-endpoint.ts';
import { FederationError } from '../fetch/errors.ts';
import { checkTerms } from '../trust/relationship-terms.ts';
import { parseSourceUrl } from '../fetch/source-url.ts';

/**
 * New parameters of a relationship; a field left out stays. Another trust domain is another
 * relationship (FED-62).
 */
export interface RelationshipChange {
  readonly endpointUrl?: string;
  /** Further addresses of the endpoint; none is an empty list. */
  readonly moreEndpointUrls?: readonly string[];
  readonly profile?: EndpointProfile;
  /**
   * The private CA of an `https_web` endpoint; `null` goes back to the public ones. Another profile
   * removes it.
   */
  readonly webPkiCaPem?: string | null;
  /** The SPIFFE ID whose signed statements count as the peer's own. */
  readonly agentId?: SpiffeId;
  readonly policy?: ChangePolicy;
  /** `null` ends the limit. */
  readonly staleAfterSeconds?: number | null;
  readonly actor: string;
  readonly reason: string;
}

/**
 * Changes and records the endpoint of a peer, its profile, which changes wait for approval and how
 * old the bundle may grow (FED-09, FED-10). What is held stays. Returns the relationship as it is
 * now. Throws what `checkEndpoint` and `checkTerms` throw, `FederationError` `not-federated` when
 * another request removed it, and `StoreError`.
 */
export async function changeRelationship(
  parts: EndpointCheckParts & { readonly store: Store; readonly clock: Clock },
  relationship: Relationship,
  change: RelationshipChange,
  known: ReadonlyMap<string, Relationship>,
): Promise<Relationship> {
  const { trustDomain } = relationship;
  const { actor, reason } = change;
  const { webPkiCaPem: before, moreEndpointUrls, policy, staleAfterSeconds, ...rest } = relationship;
  const profile = change.profile ?? relationship.profile;
  // A private CA does not apply to an endpoint that proves itself in another way.
  const kept = profile.kind === 'https_web' ? before : undefined;
  const caPem = change.webPkiCaPem === undefined ? kept : (change.webPkiCaPem ?? undefined);
  const limit =
    change.staleAfterSeconds === undefined ? staleAfterSeconds : (change.staleAfterSeconds ?? undefined);
  const changed: Relationship = {
    ...rest,
    profile,
    endpointUrl: change.endpointUrl ?? relationship.endpointUrl,
    ...defined({ webPkiCaPem: caPem, agentId: change.agentId }),
  };
  checkEndpoint(parts, changed, known);
  const terms = checkTerms(changed, {
    moreEndpointUrls: change.moreEndpointUrls ?? moreEndpointUrls ?? [],
    policy: change.policy ?? policy ?? 'ask-on-dangerous',
    ...defined({ staleAfterSeconds: limit }),
  });
  const endpointUrl = parseSourceUrl(changed.endpointUrl, changed.profile).href;
  const after = { ...changed, endpointUrl, ...terms };
  const found = await parts.store.updateRelationship(
    trustDomain,
    {
      endpointUrl: after.endpointUrl,
      moreEndpointUrls: terms.moreEndpointUrls ?? [],
      profile: after.profile,
      webPkiCaPem: caPem ?? null,
      ...defined({ agentId: change.agentId }),
      policy: terms.policy ?? 'ask-on-dangerous',
      staleAfterSeconds: limit ?? null,
    },
    {
      at: parts.clock.now(),
      kind: 'relationship-changed',
      trustDomain,
      actor,
      message: `${summaryOf(relationship, after)}: ${reason}`,
      detail: { before: partsOf(relationship), after: partsOf(after) },
    },
  );
  if (!found)
    throw new FederationError('not-federated', `there is no relationship with ${trustDomain} any more`);
  return after;
}

function summaryOf(before: Relationship, after: Relationship): string {
  const { trustDomain, endpointUrl, profile, policy = 'ask-on-dangerous', staleAfterSeconds } = after;
  const urls = [endpointUrl, ...(after.moreEndpointUrls ?? [])].join(', ');
  const facts = [`the endpoint of ${trustDomain} is now ${urls} (${profile.kind})`];
  if (policy !== (before.policy ?? 'ask-on-dangerous')) facts.push(`the policy ${policy}`);
  if (staleAfterSeconds !== before.staleAfterSeconds)
    facts.push(
      staleAfterSeconds === undefined
        ? 'without a limit of age'
        : `trusted for ${staleAfterSeconds} s after a good poll`,
    );
  return facts.join(', ');
}

function partsOf({
  endpointUrl,
  moreEndpointUrls = [],
  profile,
  policy = 'ask-on-dangerous',
  staleAfterSeconds,
}: Relationship) {
  return { endpointUrl, moreEndpointUrls, profile, policy, staleAfterSeconds: staleAfterSeconds ?? null };
}
