import type {
  AddDocument,
  ChangeDocument,
  HandlersOf,
  relationshipRoutes,
  StandingDocument,
} from '../../admin/index.ts';
import type { AddRequest, Federation, RefreshOutcome, RelationshipChange } from '../../federation/index.ts';
import { defined } from '../../objects/index.ts';
import {
  type EndpointProfile,
  parsePin,
  parseSpiffeId,
  parseTrustDomain,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import type { Attention } from '../attention.ts';
import { AgentError } from '../errors.ts';
import type { ForeignTrust } from '../foreign-trust.ts';
import { addFromMesh } from './add-from-mesh.ts';
import { describeOutcome } from './describe-outcome.ts';
import { describeRemoval } from './describe-report.ts';
import { NO_REASON } from './no-reason.ts';

/** Adds, changes and ends relationships. */
export function relationshipChangeHandlers({
  federation,
  foreignTrust,
  attention,
  own,
}: {
  readonly federation: Federation;
  readonly foreignTrust: Pick<ForeignTrust, 'afterRemoval' | 'unrecorded'>;
  readonly attention: Pick<Attention, 'list'>;
  readonly own: () => TrustBundle | undefined;
}): HandlersOf<Exclude<keyof typeof relationshipRoutes, `GET ${string}`>> {
  const describeStanding = async (
    trustDomain: TrustDomain,
    outcome: RefreshOutcome,
  ): Promise<StandingDocument> => ({
    ...describeOutcome(trustDomain, outcome, federation.leftOut.of(trustDomain)),
    state: federation.peers.find(trustDomain)?.relationship.state ?? 'removed',
    warnings: (await attention.list()).filter(({ trust_domain: name }) => name === trustDomain),
  });
  return {
    'POST /v1/relationships': async ({ body, actor }) => {
      if (!own()) {
        throw new AgentError(
          'own-bundle-unknown',
          'our own mesh has not reported its roots yet, and a peer is checked against them; add it after that',
        );
      }
      const request = addRequestFrom(body, actor);
      const { relationship, firstPoll } =
        body.from_mesh === true
          ? await addFromMesh(
              federation.relationships,
              request,
              foreignTrust.unrecorded.pinsOf(request.trustDomain),
            )
          : await federation.relationships.add(request);
      return describeStanding(relationship.trustDomain, firstPoll ?? { kind: 'unchanged' });
    },
    'PATCH /v1/relationships/{trust_domain}': async ({ params, body, actor }) => {
      const trustDomain = parseTrustDomain(params.trust_domain);
      const { poll } = await federation.relationships.change(trustDomain, changeFrom(body, actor));
      return describeStanding(trustDomain, poll);
    },
    'DELETE /v1/relationships/{trust_domain}': async ({ params, query: { reason }, actor }) => {
      const trustDomain = parseTrustDomain(params.trust_domain);
      await federation.relationships.remove(trustDomain, { actor, reason });
      return {
        trust_domain: trustDomain,
        removed: true,
        ...describeRemoval(await foreignTrust.afterRemoval(trustDomain)),
      };
    },
  };
}

function addRequestFrom(document: AddDocument, actor: string): AddRequest {
  const profile = profileFrom(document.profile, document);
  const caPem = defined({ caPem: document.ca_pem });
  return {
    trustDomain: parseTrustDomain(document.trust_domain),
    endpointUrl: document.endpoint_url,
    profile,
    actor,
    ...defined({
      moreEndpointUrls: document.more_endpoint_urls,
      policy: document.policy,
      staleAfterSeconds: document.stale_after_seconds,
    }),
    ...(document.even_foreign_keys === true ? { force: true } : {}),
    bootstrap:
      document.bundle === undefined
        ? document.pin === undefined
          ? { kind: 'web-pki', ...caPem }
          : { kind: 'pin', pin: parsePin(document.pin), ...caPem }
        : { kind: 'bundle', document: Buffer.from(document.bundle, 'utf8'), ...caPem },
  };
}

function profileFrom(
  kind: EndpointProfile['kind'],
  {
    endpoint_id: endpointId = '',
    signer_id: signerId = '',
  }: Pick<ChangeDocument, 'endpoint_id' | 'signer_id'>,
): EndpointProfile {
  if (kind === 'https_web') return { kind };
  return kind === 'https_spiffe'
    ? { kind, endpointId: parseSpiffeId(endpointId) }
    : { kind, signerId: parseSpiffeId(signerId) };
}

/** An endpoint ID alone is that of `https_spiffe`: no other profile has one. */
function changeFrom(document: ChangeDocument, actor: string): RelationshipChange {
  const { endpoint_url, profile, endpoint_id, ca_pem, reason } = document;
  const { more_endpoint_urls, policy, stale_after_seconds } = document;
  const kind = profile ?? (endpoint_id === undefined ? undefined : 'https_spiffe');
  return {
    actor,
    reason: reason ?? NO_REASON,
    ...defined({ endpointUrl: endpoint_url }),
    ...(kind === undefined ? {} : { profile: profileFrom(kind, document) }),
    ...defined({
      webPkiCaPem: ca_pem,
      moreEndpointUrls: more_endpoint_urls,
      policy,
      staleAfterSeconds: stale_after_seconds,
    }),
  };
}
