import type {
  AddDocument,
  ChangeDocument,
  RelationshipDocument,
  StatusDocument,
  IdentityDocument,
  WorkloadApiDocument,
} from '../../admin-client/index.ts';
import type { AdminServices } from '../../dashboard/index.ts';
import type {
  AddRequest,
  EndpointHealth,
  FederationAgent,
  Invitations,
  PeerHolding,
  PeerHoldings,
  RefreshOutcome,
  RelationshipChange,
} from '../../federation/index.ts';
import type { MeshAdapter } from '../../mesh-adapters/index.ts';
import type { SvidSource } from '../../mtls/index.ts';
import type { Clock, Log, Metrics, NotReady } from '../../platform/index.ts';
import {
  type BundleSource,
  type EndpointProfile,
  parsePin,
  parseSpiffeId,
  parseTrustDomain,
  pinOfBundle,
  type TrustBundle,
  type TrustDomain,
} from '../../spiffe/index.ts';
import { type Store, StoreError } from '../../store/index.ts';
import type { Attention } from './attention.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { resolvePath } from '../config/fields.ts';
import { AgentError } from './errors.ts';
import { describeRemoval, describeReport } from './describe-report.ts';
import { describeLeftOut, describeOutcome } from './describe-outcome.ts';
import type { ForeignTrust } from './foreign-trust.ts';
import { createDistrustServices } from './distrust-services.ts';
import { addFromMesh } from './add-from-mesh.ts';
import { createUnrecordedServices } from './unrecorded-services.ts';
import { createRotationServices } from './rotation-services.ts';
import type { Rotation } from './rotation.ts';
import type { OwnBundle } from './own-bundle.ts';
import { createInvitationServices } from './invitation-services.ts';
import type { SignedBundles } from './signed-bundles.ts';
import { createReviewServices } from './review-services.ts';
import { verifyChain, verifyToken } from './verify-svids.ts';

export interface ServiceParts {
  readonly config: AgentConfig;
  readonly store: Store;
  readonly attention: Attention;
  readonly storePath: string;
  /** The folder of the config file. */
  readonly folder: string;
  readonly federation: FederationAgent;
  readonly adapter: MeshAdapter;
  readonly own: () => TrustBundle | undefined;
  readonly ownBundle: OwnBundle;
  readonly svid: SvidSource | undefined;
  readonly serving: () => boolean;
  readonly notReady: NotReady;
  readonly workloadApi: () => WorkloadApiDocument | null;
  readonly identity: () => IdentityDocument | null;
  readonly signedBundles: SignedBundles;
  readonly holdings: PeerHoldings;
  readonly rotation: Rotation;
  readonly foreignTrust: ForeignTrust;
  readonly startedAt: Date;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly invitations: Invitations;
}

/** What the admin API can ask of this agent. */
export function createAdminServices(parts: ServiceParts): AdminServices {
  const { store, federation, clock, log, metrics } = parts;
  const bundles: BundleSource = {
    bundleFor: (trustDomain) => {
      const own = parts.own();
      return own?.trustDomain === trustDomain ? own : federation.bundles.bundleFor(trustDomain);
    },
    distrustedKeys: (trustDomain) => federation.bundles.distrustedKeys?.(trustDomain),
  };
  const held: BundleSource = {
    bundleFor: (trustDomain) => {
      const own = parts.ownBundle.told ?? parts.own();
      return own?.trustDomain === trustDomain ? own : federation.held.bundleFor(trustDomain);
    },
  };
  const distrusted = (trustDomain: TrustDomain) =>
    federation.distrusts.list().filter((key) => key.trustDomain === trustDomain);
  const describeStanding = async (trustDomain: TrustDomain, outcome: RefreshOutcome) => ({
    ...describeOutcome(trustDomain, outcome, federation.leftOut.of(trustDomain)),
    state: federation.relationshipWith(trustDomain)?.state ?? 'removed',
    warnings: (await parts.attention.list()).filter(({ trust_domain: name }) => name === trustDomain),
  });
  const { strict_key_usage: strictKeyUsage } = parts.config.federation;
  const verifying = { bundles, held, distrusted, store, clock, strictKeyUsage };
  return {
    ...createDistrustServices(parts),
    ...createReviewServices(federation),
    ...createRotationServices(parts),
    ...createUnrecordedServices(parts.foreignTrust),
    store,
    log: log.with({ part: 'admin' }),
    status: () => statusOf(parts),
    warnings: () => parts.attention.list(),
    historyPlace: () => ({ store: parts.storePath }),
    peerHolds: (trustDomain) => describeHolding(parts.holdings.of(trustDomain)),
    theirSide: (trustDomain) => {
      const side = federation.theirSide(trustDomain);
      if (!side) return null;
      const { state, since, heardAt } = side;
      return { state, since: since.toISOString(), last_heard_at: heardAt?.toISOString() ?? null };
    },
    standing: (trustDomain) => federation.relationshipWith(trustDomain),
    standings: () => federation.status(),
    countingAuthorities: (trustDomain) => {
      if (!federation.relationshipWith(trustDomain)) return undefined;
      const counting = federation.bundles.bundleFor(trustDomain);
      return (counting?.x509Authorities.length ?? 0) + (counting?.jwtAuthorities.length ?? 0);
    },
    leftOut: (trustDomain) => describeLeftOut(federation.leftOut.of(trustDomain)),
    endpoints: (trustDomain) => federation.endpoints(trustDomain).map(describeEndpoint),
    inMesh: (trustDomain) => describeReport(parts.foreignTrust.of(trustDomain)),
    add: async (document, actor) => {
      if (!parts.own()) {
        throw new AgentError(
          'own-bundle-unknown',
          'our own mesh has not reported its roots yet, and a peer is checked against them; add it after that',
        );
      }
      const request = addRequestFrom(document, actor);
      const { relationship, firstPoll } =
        document.from_mesh === true
          ? await addFromMesh(federation, request, parts.foreignTrust.unrecorded.pinsOf(request.trustDomain))
          : await federation.add(request);
      return describeStanding(relationship.trustDomain, firstPoll ?? { kind: 'unchanged' });
    },
    change: async (trustDomain, document, actor) => {
      const { poll } = await federation.change(trustDomain, changeFrom(document, actor));
      return describeStanding(trustDomain, poll);
    },
    signBundle: async (seconds) => {
      const { token, expiresAt } = await parts.signedBundles.sign(seconds * 1000);
      return {
        trust_domain: parts.own()?.trustDomain ?? '',
        signer_id: parts.svid?.current()?.id ?? '',
        expires_at: expiresAt.toISOString(),
        token,
      };
    },
    setBundle: async (trustDomain, { document, name, reason = 'no reason given' }, actor) => {
      const { versionNumber, poll } = await federation.setBundle(trustDomain, {
        document: Buffer.from(document, 'utf8'),
        name,
        actor,
        reason,
      });
      return {
        trust_domain: trustDomain,
        version: versionNumber,
        poll: describeOutcome(trustDomain, poll, federation.leftOut.of(trustDomain)),
      };
    },
    remove: async (trustDomain, actor, reason) => {
      await federation.remove(trustDomain, { actor, reason });
      return describeRemoval(await parts.foreignTrust.afterRemoval(trustDomain));
    },
    refresh: async (trustDomain, override) => {
      if (trustDomain !== undefined && override) {
        const reason = 'accepted once by the operator';
        const { outcome } = await federation.override(trustDomain, { actor: override.actor, reason });
        return [describeOutcome(trustDomain, outcome, federation.leftOut.of(trustDomain))];
      }
      const results = await federation.refresh(trustDomain);
      return results.map((result) =>
        describeOutcome(result.trustDomain, result.outcome, federation.leftOut.of(result.trustDomain)),
      );
    },
    verify: (pem, peerRole) => verifyChain(verifying, pem, peerRole),
    verifyJwt: (token, audiences) => verifyToken(verifying, token, audiences),
    renderMetrics: () => metrics.render(),
    notReady: parts.notReady,
    ...createInvitationServices(parts.invitations),
  };
}

function describeEndpoint({
  url,
  inUse,
  lastSuccessAt,
  lastFailure,
}: EndpointHealth): RelationshipDocument['endpoints'][number] {
  return {
    url,
    in_use: inUse,
    last_success_at: lastSuccessAt?.toISOString() ?? null,
    last_failure_at: lastFailure?.at.toISOString() ?? null,
    last_failure_code: lastFailure?.code ?? null,
    last_failure: lastFailure?.message ?? null,
  };
}

function refusalOf({ refusal }: ServiceParts['ownBundle']) {
  return refusal && { code: refusal.code, message: refusal.message };
}

/** What a reading of the store gives; undefined where the store cannot be read. */
async function unlessUnusable<Result>(reading: Promise<Result>): Promise<Result | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

function endpointCaFile({ config: { endpoint }, folder }: ServiceParts): string | null {
  const file = endpoint.profile === 'https_web' ? endpoint.ca_file : undefined;
  return file === undefined ? null : resolvePath(folder, file);
}

async function statusOf(parts: ServiceParts): Promise<StatusDocument> {
  const { config, adapter, federation, store } = parts;
  const own = parts.own();
  const status = adapter.status();
  // Who answers well may still not be the mesh that we stand beside.
  const mesh = status.code === undefined ? { ...status, ...refusalOf(parts.ownBundle) } : status;
  // What does not come from memory is left out when the store cannot be read: the warnings say so.
  const version = own && (await unlessUnusable(store.current(own.trustDomain)));
  const relationships = federation.status();
  const byState: Record<string, number> = {};
  for (const { state } of relationships) byState[state] = (byState[state] ?? 0) + 1;
  const serving = parts.serving();
  const agentId = parts.svid?.current()?.id ?? null;
  return {
    ready: parts.notReady() === undefined,
    trust_domain: own?.trustDomain ?? config.trust_domain ?? null,
    started_at: parts.startedAt.toISOString(),
    own: own
      ? {
          sequence: own.sequence?.toString() ?? null,
          version: version?.number ?? null,
          authorities: own.x509Authorities.length + own.jwtAuthorities.length,
          pin: pinOfBundle(own),
        }
      : null,
    endpoint: {
      url: config.endpoint.url.href,
      profile: config.endpoint.profile,
      endpoint_id: config.endpoint.profile === 'https_spiffe' ? agentId : null,
      ca_file: endpointCaFile(parts),
      serving,
    },
    agent_id: agentId,
    identity: parts.identity(),
    mesh: {
      kind: adapter.kind,
      scope: adapter.scope,
      connected: mesh.connected,
      code: mesh.code ?? null,
      message: mesh.message ?? null,
    },
    workload_api: parts.workloadApi(),
    warnings: await parts.attention.list(),
    relationships: { total: relationships.length, by_state: byState },
  };
}

function describeHolding(holding: PeerHolding | undefined): RelationshipDocument['peer_holds'] {
  if (!holding) return null;
  const { digest, sequence, since, inMesh, signer, seenAt } = holding;
  return {
    digest,
    sequence: sequence?.toString() ?? null,
    since: since.toISOString(),
    in_mesh: inMesh ? { progress: inMesh.progress, since: inMesh.since.toISOString() } : null,
    signer,
    seen_at: seenAt.toISOString(),
  };
}

function addRequestFrom(document: AddDocument, actor: string): AddRequest {
  const profile = profileFrom(document.profile, document);
  const caPem = document.ca_pem === undefined ? {} : { caPem: document.ca_pem };
  return {
    trustDomain: parseTrustDomain(document.trust_domain),
    endpointUrl: document.endpoint_url,
    profile,
    actor,
    ...(document.more_endpoint_urls === undefined ? {} : { moreEndpointUrls: document.more_endpoint_urls }),
    ...(document.policy === undefined ? {} : { policy: document.policy }),
    ...(document.stale_after_seconds === undefined
      ? {}
      : { staleAfterSeconds: document.stale_after_seconds }),
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
  { endpoint_id: endpointId = '', signer_id: signerId = '' }: { endpoint_id?: string; signer_id?: string },
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
    reason: reason ?? 'no reason given',
    ...(endpoint_url === undefined ? {} : { endpointUrl: endpoint_url }),
    ...(kind === undefined ? {} : { profile: profileFrom(kind, document) }),
    ...(ca_pem === undefined ? {} : { webPkiCaPem: ca_pem }),
    ...(more_endpoint_urls === undefined ? {} : { moreEndpointUrls: more_endpoint_urls }),
    ...(policy === undefined ? {} : { policy }),
    ...(stale_after_seconds === undefined ? {} : { staleAfterSeconds: stale_after_seconds }),
  };
}
