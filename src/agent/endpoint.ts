import { BundleEndpoint, type BundleEndpointOptions } from '../bundle-endpoint/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import type { Metrics, ProcessContext } from '../platform/index.ts';
import type { AgentConfig } from '../config/index.ts';

/** Builds the endpoint that the config names; `start` is left to the caller. */
export function createEndpoint(
  config: AgentConfig,
  svid: SvidSource | undefined,
  metrics: Metrics,
  context: ProcessContext,
  listeners: Pick<BundleEndpointOptions, 'onRequest' | 'onServed'>,
): BundleEndpoint {
  const { endpoint } = config;
  return new BundleEndpoint({
    profile: identityOf(endpoint, svid),
    path: endpoint.path,
    url: endpoint.url,
    limits: {
      maxConnections: endpoint.max_connections,
      maxConnectionsPerAddress: endpoint.max_connections_per_address,
      maxWaiting: endpoint.max_waiting,
      maxWaitingPerAddress: endpoint.max_waiting_per_address,
    },
    ...listeners,
    clock: context.clock,
    log: context.log.with({ part: 'endpoint' }),
    metrics,
  });
}

function identityOf(
  endpoint: AgentConfig['endpoint'],
  svid: SvidSource | undefined,
): BundleEndpointOptions['profile'] {
  if (endpoint.profile === 'https_web') {
    return {
      kind: 'https_web',
      certificateFile: endpoint.certificate_file,
      keyFile: endpoint.key_file,
    };
  }
  if (!svid) throw new TypeError('unreachable: the schema requires an SVID with https_spiffe');
  return { kind: 'https_spiffe', svid };
}
