import { BundleEndpoint, type BundleEndpointOptions } from '../../bundle-endpoint/index.ts';
import type { IdentityDocument } from '../../admin-client/index.ts';
import type { SvidSource } from '../../mtls/index.ts';
import type { Metrics } from '../../platform/index.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { resolvePath } from '../config/fields.ts';
import type { ProcessContext, RunningPart } from '../process.ts';
import { openSvid } from './open-svid.ts';

/** The bundle endpoint of an agent, and where its SVID comes from. */
export interface AgentEndpoint extends RunningPart {
  readonly endpoint: BundleEndpoint;
  /** Our SVID now; with `https_web` only where the config names an identity. */
  readonly svid: SvidSource | undefined;
  /** How it stands with our SVID; null where the config names none. */
  identity(): IdentityDocument | null;
}

/** Builds the endpoint that the config names; `start` is left to the caller. */
export async function createEndpoint(
  config: AgentConfig,
  folder: string,
  metrics: Metrics,
  context: ProcessContext,
  listeners: Pick<BundleEndpointOptions, 'onRequest' | 'onServed'>,
): Promise<AgentEndpoint> {
  const { endpoint } = config;
  const common = {
    path: endpoint.path,
    url: endpoint.url,
    limits: {
      maxConnections: endpoint.max_connections,
      maxConnectionsPerAddress: endpoint.max_connections_per_address,
      maxWaiting: endpoint.max_waiting,
    },
    ...listeners,
    clock: context.clock,
    log: context.log.with({ part: 'endpoint' }),
    metrics,
  };
  if (endpoint.profile === 'https_spiffe') {
    const own = await openSvid(endpoint.svid, folder, context);
    const { svid } = own;
    return {
      endpoint: new BundleEndpoint({ profile: { kind: 'https_spiffe', svid }, ...common }),
      svid,
      identity: () => own.describe(),
      stop: () => own.stop(),
    };
  }
  const own = config.identity && (await openSvid(config.identity, folder, context));
  const profile = {
    kind: 'https_web' as const,
    certificateFile: resolvePath(folder, endpoint.certificate_file),
    keyFile: resolvePath(folder, endpoint.key_file),
  };
  return {
    endpoint: new BundleEndpoint({ profile, ...common }),
    svid: own?.svid,
    identity: () => own?.describe() ?? null,
    stop: async () => own?.stop(),
  };
}
