import { createMetrics } from '../telemetry/index.ts';
import { Sidecar, type SidecarOptions } from '../sidecar/index.ts';
import { resolveEndpointAddress } from '../workload-api/index.ts';
import { resolvePath } from './config/fields.ts';
import type { LoadedConfig } from './config/read-config.ts';
import type { SidecarConfig } from './config/sidecar-config.ts';
import { createMetricsServer } from './metrics-server.ts';
import { partOf, Parts } from './parts.ts';
import type { ProcessContext, RunningPart } from './process.ts';

/** Starts the proxy beside a workload. Rejects with `MtlsError`, `SidecarError`, and `WorkloadApiError` `endpoint-address-…`. */
export async function startSidecar(
  { config, folder }: LoadedConfig<SidecarConfig>,
  context: ProcessContext,
): Promise<RunningPart> {
  const metrics = createMetrics({ processMetrics: true });
  const sidecar = new Sidecar({
    ...context,
    metrics,
    supply: supplyOf(config, folder, context),
    ...(config.inbound === undefined
      ? {}
      : {
          inbound: {
            listen: config.inbound.listen,
            forwardTo: config.inbound.forward_to,
            allow: config.inbound.allow,
          },
        }),
    outbound: config.outbound.map((each) => ({
      listen: each.listen,
      to: each.to,
      serverName: each.server_name,
      expect: each.expect,
    })),
    drainMs: config.drain_timeout,
  });
  const parts = new Parts(
    [
      ...(config.metrics
        ? [
            partOf(
              'metrics',
              createMetricsServer(config.metrics, metrics, () =>
                sidecar.ready ? undefined : 'the mesh has not given an SVID and trust yet',
              ),
            ),
          ]
        : []),
      partOf('sidecar', sidecar),
    ],
    context.log,
  );
  await parts.start();
  return parts;
}

function supplyOf(
  config: SidecarConfig,
  folder: string,
  { environment }: ProcessContext,
): SidecarOptions['supply'] {
  const { workload_api: api, sds_socket: sds, spiffe_id: spiffeId, hint } = config;
  if (sds !== undefined)
    return {
      kind: 'sds',
      socket: resolvePath(folder, sds),
      certificateResource: config.certificate_resource,
      trustResource: config.trust_resource,
    };
  if (api === undefined) throw new TypeError('unreachable: a checked config names one of the two');
  return {
    kind: 'workload-api',
    address: resolveEndpointAddress(api, environment),
    choice: { ...(spiffeId && { spiffeId }), ...(hint !== undefined && { hint }) },
  };
}
