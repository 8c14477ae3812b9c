import { BundleEndpoint } from '../../bundle-endpoint/index.ts';
import { createFileSvidSource, type SvidSource } from '../../mtls/index.ts';
import type { Metrics } from '../../platform/index.ts';
import { createSdsSvidSource, SdsClient } from '../../workload-api/index.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { resolvePath } from '../config/fields.ts';
import type { ProcessContext, RunningPart } from '../process.ts';

/** The bundle endpoint of an agent, and where its SVID comes from. */
export interface AgentEndpoint extends RunningPart {
  readonly endpoint: BundleEndpoint;
  /** Our SVID now; only with `https_spiffe`. */
  readonly svid: SvidSource | undefined;
}

/** Builds the endpoint that the config names; `start` is left to the caller. */
export async function createEndpoint(
  { endpoint: config }: AgentConfig,
  folder: string,
  metrics: Metrics,
  { clock, log, random }: ProcessContext,
): Promise<AgentEndpoint> {
  const parts: RunningPart[] = [];
  const common = {
    path: config.path,
    url: config.url,
    limits: {
      maxConnections: config.max_connections,
      maxConnectionsPerAddress: config.max_connections_per_address,
      maxWaiting: config.max_waiting,
    },
    clock,
    log: log.with({ part: 'endpoint' }),
    metrics,
  };
  const stopAll = async () => {
    for (const part of parts) await part.stop();
  };
  if (config.profile === 'https_web') {
    const endpoint = new BundleEndpoint({
      profile: {
        kind: 'https_web',
        certificateFile: resolvePath(folder, config.certificate_file),
        keyFile: resolvePath(folder, config.key_file),
      },
      ...common,
    });
    return { endpoint, svid: undefined, stop: stopAll };
  }
  let svid: SvidSource;
  if ('sds_socket' in config.svid) {
    const client = new SdsClient({
      socketPath: resolvePath(folder, config.svid.sds_socket),
      resourceNames: [config.svid.resource],
      nodeId: 'federate-agent',
      clock,
      random,
      log: log.with({ part: 'sds' }),
    });
    client.start();
    parts.push({ stop: () => client.stop() });
    svid = createSdsSvidSource(client, config.svid.resource, log);
  } else {
    const source = await createFileSvidSource({
      certificateFile: resolvePath(folder, config.svid.certificate_file),
      keyFile: resolvePath(folder, config.svid.key_file),
      clock,
      log: log.with({ part: 'svid' }),
    });
    parts.push({ stop: () => source.stop() });
    svid = source;
  }
  const endpoint = new BundleEndpoint({ profile: { kind: 'https_spiffe', svid }, ...common });
  return { endpoint, svid, stop: stopAll };
}
