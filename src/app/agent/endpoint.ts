import { BundleEndpoint, type BundleEndpointOptions } from '../../bundle-endpoint/index.ts';
import { createFileSvidSource, type SvidSource } from '../../mtls/index.ts';
import type { Metrics } from '../../platform/index.ts';
import { createSdsSvidSource, SdsClient } from '../../workload-api/index.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { resolvePath } from '../config/fields.ts';
import type { ProcessContext, RunningPart } from '../process.ts';

/** The bundle endpoint of an agent, and where its SVID comes from. */
export interface AgentEndpoint extends RunningPart {
  readonly endpoint: BundleEndpoint;
  /** Our SVID now; with `https_web` only where the config names an identity. */
  readonly svid: SvidSource | undefined;
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
      stop: () => own.stop(),
    };
  }
  const identity = config.identity && (await openSvid(config.identity, folder, context));
  const profile = {
    kind: 'https_web' as const,
    certificateFile: resolvePath(folder, endpoint.certificate_file),
    keyFile: resolvePath(folder, endpoint.key_file),
  };
  return {
    endpoint: new BundleEndpoint({ profile, ...common }),
    svid: identity?.svid,
    stop: async () => identity?.stop(),
  };
}

/** Our SVID from where the config says, kept new until it is stopped. */
async function openSvid(
  config: NonNullable<AgentConfig['identity']>,
  folder: string,
  { clock, log, random }: ProcessContext,
): Promise<RunningPart & { readonly svid: SvidSource }> {
  if ('sds_socket' in config) {
    const client = new SdsClient({
      socketPath: resolvePath(folder, config.sds_socket),
      resourceNames: [config.resource],
      nodeId: 'federate-agent',
      clock,
      random,
      log: log.with({ part: 'sds' }),
    });
    client.start();
    return { svid: createSdsSvidSource(client, config.resource, log), stop: () => client.stop() };
  }
  const svid = await createFileSvidSource({
    certificateFile: resolvePath(folder, config.certificate_file),
    keyFile: resolvePath(folder, config.key_file),
    clock,
    log: log.with({ part: 'svid' }),
  });
  return { svid, stop: () => svid.stop() };
}
