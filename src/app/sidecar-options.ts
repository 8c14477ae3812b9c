import type { SidecarConfig } from '../config/index.ts';
import {
  type AccessSource,
  fixedUpstream,
  type InboundOptions,
  loadRequestSigner,
  loadRequestVerifier,
  type MeshDiscovery,
  type OutboundOptions,
  type Timeouts,
  type UpstreamSource,
} from '../demonstration/sidecar/index.ts';
import { defined, given } from '../objects/index.ts';
import type { ProcessContext } from '../platform/index.ts';

type InboundConfig = NonNullable<SidecarConfig['inbound']>;
type OutboundConfig = SidecarConfig['outbound'][number];

/** The inbound side as the sidecar takes it. Rejects with `SidecarError` `signing-key-unusable`. */
export async function inboundOptions(
  config: InboundConfig,
  access: AccessSource,
  { clock }: ProcessContext,
): Promise<InboundOptions> {
  return {
    listen: config.listen,
    forwardTo: config.forward_to,
    allow: config.allow === 'mesh' || config.policy ? access : config.allow,
    ...defined({
      timeouts: given(config.timeouts, timeoutsOf),
      signatures: await given(config.signatures, (signatures) =>
        loadRequestVerifier(
          signatures.keys.map(({ key_file: file, callers, ...key }) => ({
            ...key,
            file,
            ...defined({ callers }),
          })),
          {
            maxSkewMs: signatures.max_skew,
            maxLifetimeMs: signatures.max_lifetime,
            maxBodyBytes: signatures.max_body,
            replayMemory: signatures.replay_memory,
          },
          clock,
        ),
      ),
      maxRequests: config.max_requests,
      callerRates: given(config.rate_limit, (limit) => ({
        ...rateOf(limit),
        callers: new Map(limit.callers.map((each) => [each.spiffe_id, rateOf(each)])),
        maxCallers: limit.max_callers,
      })),
      healthCheck: given(config.health_check, (check) => ({
        path: check.path,
        intervalMs: check.interval,
        timeoutMs: check.timeout,
        healthyAfter: check.healthy_after,
        unhealthyAfter: check.unhealthy_after,
      })),
    }),
  };
}

function rateOf({ requests_per_second: rate, burst }: { requests_per_second: number; burst: number }) {
  return { requestsPerSecond: rate, burst };
}

/** One outbound listener as the sidecar takes it. Rejects as `inboundOptions` does. */
export async function outboundOptions(
  config: OutboundConfig,
  discovery: MeshDiscovery | undefined,
  context: ProcessContext,
): Promise<OutboundOptions> {
  return {
    listen: config.listen,
    upstream: upstreamOf(config, discovery),
    ...defined({
      timeouts: given(config.timeouts, timeoutsOf),
      signer: await given(config.sign, ({ key_file: file, lifetime, max_body: maxBodyBytes, ...key }) =>
        loadRequestSigner({ ...key, file }, { lifetimeMs: lifetime, maxBodyBytes }, context),
      ),
      limits: given(config.limits, (limits) => ({
        maxConnections: limits.max_connections,
        maxPending: limits.max_pending,
        maxRequests: limits.max_requests,
      })),
      outlierDetection: given(config.outlier_detection, (outliers) => ({
        consecutiveFailures: outliers.consecutive_failures,
        ejectionMs: outliers.ejection_time,
        maxEjectionMs: outliers.max_ejection_time,
        maxEjectedShare: outliers.max_ejected_share,
      })),
      retries: given(config.retries, (retries) => ({
        attempts: retries.attempts,
        statuses: new Set(retries.on_status),
        backoffMs: retries.backoff,
        maxBackoffMs: retries.max_backoff,
        budget: { ratio: retries.budget, minPerSecond: retries.min_per_second },
      })),
    }),
  };
}

/** The upstream that the config file lists, or that the mesh has under the given name. */
function upstreamOf(
  { name, service, port, endpoints }: OutboundConfig,
  discovery: MeshDiscovery | undefined,
): UpstreamSource {
  if (service !== undefined) return required(discovery).upstream({ host: service, ...defined({ port }) });
  return fixedUpstream({
    name: name ?? endpoints[0]?.server_name ?? '',
    endpoints: endpoints.map(({ to, server_name, expect, priority }) => ({
      address: to.host,
      port: to.port,
      serverName: server_name,
      spiffeIds: expect,
      priority,
    })),
  });
}

function timeoutsOf({ connect, idle, request }: NonNullable<OutboundConfig['timeouts']>): Timeouts {
  return { connectMs: connect, idleMs: idle, requestMs: request };
}

function required<Source>(source: Source | undefined): Source {
  if (source !== undefined) return source;
  throw new TypeError('unreachable: a checked config has what its sources need');
}
