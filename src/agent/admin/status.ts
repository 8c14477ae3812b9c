import type {
  AboutDocument,
  HandlersOf,
  IdentityDocument,
  StatusDocument,
  statusRoutes,
  WorkloadApiDocument,
} from '../../admin/index.ts';
import type { Federation } from '../../federation/index.ts';
import type { MeshAdapter } from '../../mesh-adapters/index.ts';
import type { SvidSource } from '../../mtls/index.ts';
import { commit, type NotReady, version } from '../../platform/index.ts';
import { pinOfBundle } from '../../spiffe/index.ts';
import { type Store, StoreError } from '../../store/index.ts';
import type { AgentConfig } from '../../config/index.ts';
import type { Attention } from '../attention.ts';
import type { OwnBundle } from '../own-bundle.ts';

/** What the status is read from. */
export interface StatusParts {
  readonly config: Pick<AgentConfig, 'trust_domain' | 'endpoint'>;
  readonly store: Pick<Store, 'current'>;
  readonly attention: Pick<Attention, 'list'>;
  readonly federation: { readonly peers: Pick<Federation['peers'], 'status'> };
  readonly adapter: Pick<MeshAdapter, 'kind' | 'scope' | 'status'>;
  readonly ownBundle: Pick<OwnBundle, 'current' | 'refusal'>;
  readonly svid: SvidSource | undefined;
  readonly serving: () => boolean;
  readonly notReady: NotReady;
  readonly workloadApi: () => WorkloadApiDocument | null;
  readonly identity: () => IdentityDocument | null;
  readonly startedAt: Date;
  readonly configFile: string;
  readonly storePath: string;
}

/** Answers how the agent stands. */
export function statusHandlers(parts: StatusParts): HandlersOf<keyof typeof statusRoutes> {
  return { 'GET /v1/status': () => statusOf(parts), 'GET /v1/about': () => aboutOf(parts) };
}

function aboutOf({ configFile, storePath }: StatusParts): AboutDocument {
  return {
    version: version(),
    commit: commit() ?? null,
    node: process.versions.node,
    pid: process.pid,
    config: configFile,
    store: storePath,
  };
}

function refusalOf({ refusal }: StatusParts['ownBundle']) {
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

function endpointCaFile({ config: { endpoint } }: StatusParts): string | null {
  const file = endpoint.profile === 'https_web' ? endpoint.ca_file : undefined;
  return file ?? null;
}

async function statusOf(parts: StatusParts): Promise<StatusDocument> {
  const { config, adapter, federation, store } = parts;
  const own = parts.ownBundle.current;
  const status = adapter.status();
  // A mesh that answers well may still not be the mesh that this agent serves.
  const mesh = status.code === undefined ? { ...status, ...refusalOf(parts.ownBundle) } : status;
  // What does not come from memory is left out when the store cannot be read: the warnings say so.
  const version = own && (await unlessUnusable(store.current(own.trustDomain)));
  const relationships = federation.peers.status();
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
