import { createMetrics, createMetricsServer, partOf, Parts, type ProcessContext } from '../platform/index.ts';
import {
  allOf,
  MeshDiscovery,
  PolicyFile,
  Sidecar,
  type SidecarOptions,
} from '../demonstration/sidecar/index.ts';
import { resolveEndpointAddress } from '../workload-api/index.ts';
import type { LoadedConfig, SidecarConfig } from '../config/index.ts';
import { inboundOptions, outboundOptions } from './sidecar-options.ts';
import { defined, given } from '../objects/index.ts';

/** The time to stop when nothing has to be drained. */
const STOP_MS = 3000;

/**
 * Builds the proxy of a workload. Rejects with `WorkloadApiError` `endpoint-address-…` and
 * `SidecarError` `signing-key-unusable`; its start rejects with `MtlsError`, `SidecarError`.
 */
export async function buildSidecar(
  { config }: LoadedConfig<SidecarConfig>,
  context: ProcessContext,
): Promise<Parts> {
  const metrics = createMetrics({ processMetrics: config.metrics !== undefined });
  const discovery = discoveryOf(config, context);
  const policy = given(config.inbound?.policy, (file) => new PolicyFile({ ...file, ...context }));
  const byMesh = config.inbound?.allow === 'mesh' ? discovery : undefined;
  const rules = [byMesh, policy].filter((source) => source !== undefined);
  const inbound = await given(config.inbound, (each) => inboundOptions(each, allOf(rules), context));
  const outbound = await Promise.all(
    config.outbound.map((each) => outboundOptions(each, discovery, context)),
  );
  const sidecar = new Sidecar({
    ...context,
    metrics,
    supply: supplyOf(config, context),
    sources: [discovery, policy].filter((source) => source !== undefined),
    ...defined({ inbound }),
    outbound,
    accessLog: config.access_log,
    traceContext: config.trace_context,
    drainMs: config.drain_timeout,
  });
  return new Parts(
    [
      ...(config.metrics
        ? [
            partOf(
              'metrics',
              createMetricsServer(config.metrics, metrics, () => sidecar.problem),
            ),
          ]
        : []),
      { ...partOf('sidecar', sidecar), stopWithinMs: config.drain_timeout + STOP_MS },
    ],
    context,
  );
}

function supplyOf(config: SidecarConfig, { environment }: ProcessContext): SidecarOptions['supply'] {
  const { workload_api: api, sds_socket: sds, spiffe_id: spiffeId, hint } = config;
  if (sds !== undefined)
    return {
      kind: 'sds',
      socket: sds,
      certificateResource: config.certificate_resource,
      trustResource: config.trust_resource,
    };
  if (api === undefined) throw new TypeError('unreachable: a checked config names one of the two');
  return {
    kind: 'workload-api',
    address: resolveEndpointAddress(api, environment),
    choice: { ...(spiffeId && { spiffeId }), ...defined({ hint }) },
  };
}

/** The discovery of the mesh, where anything of the config comes from it. */
function discoveryOf(config: SidecarConfig, context: ProcessContext): MeshDiscovery | undefined {
  const { sds_socket: socket, inbound, outbound } = config;
  const isUsed = inbound?.allow === 'mesh' || outbound.some(({ service }) => service !== undefined);
  return isUsed && socket !== undefined ? new MeshDiscovery({ socket, ...context }) : undefined;
}
