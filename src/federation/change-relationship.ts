import type { EndpointProfile } from '../spiffe/index.ts';
import type { Relationship } from '../store/index.ts';
import { checkEndpoint } from './check-endpoint.ts';
import { FederationError } from './errors.ts';
import type { RefreshParts } from './refresh-parts.ts';
import { parseSourceUrl } from './signed-bundle/source-url.ts';

/** New parameters of a relationship; a field left out stays. Another trust domain is another relationship (FED-62). */
export interface RelationshipChange {
  readonly endpointUrl?: string;
  readonly profile?: EndpointProfile;
  /** The private CA of an `https_web` endpoint; `null` goes back to the public ones. */
  readonly webPkiCaPem?: string | null;
  readonly actor: string;
  readonly reason: string;
}

/**
 * Changes where a peer is asked and how its endpoint proves itself, on record (FED-09, FED-10); what is trusted stays.
 * Returns the relationship as it is now. Throws what `checkEndpoint` throws, `FederationError` `not-federated` when it was
 * removed meanwhile, and `StoreError`.
 */
export async function changeRelationship(
  parts: RefreshParts,
  relationship: Relationship,
  { endpointUrl, profile, webPkiCaPem, actor, reason }: RelationshipChange,
  known: ReadonlyMap<string, Relationship>,
): Promise<Relationship> {
  const { trustDomain } = relationship;
  const { webPkiCaPem: before, ...rest } = relationship;
  const caPem = webPkiCaPem === undefined ? before : (webPkiCaPem ?? undefined);
  const changed: Relationship = {
    ...rest,
    profile: profile ?? relationship.profile,
    endpointUrl: endpointUrl ?? relationship.endpointUrl,
    ...(caPem === undefined ? {} : { webPkiCaPem: caPem }),
  };
  checkEndpoint(parts, changed, known);
  const url = parseSourceUrl(changed.endpointUrl, changed.profile).href;
  const patch = { endpointUrl: url, profile: changed.profile, webPkiCaPem: caPem ?? null };
  const found = await parts.store.updateRelationship(trustDomain, patch, {
    at: parts.clock.now(),
    kind: 'relationship-changed',
    trustDomain,
    actor,
    message: `the endpoint of ${trustDomain} is now ${url} (${changed.profile.kind}): ${reason}`,
    detail: {
      before: { endpointUrl: relationship.endpointUrl, profile: relationship.profile },
      profile: changed.profile,
    },
  });
  if (!found)
    throw new FederationError('not-federated', `there is no relationship with ${trustDomain} any more`);
  return { ...changed, endpointUrl: url };
}
