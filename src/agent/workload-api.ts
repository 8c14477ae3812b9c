import { unservedWarning, type WarningDocument, type WorkloadApiDocument } from '../admin/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import type { Metrics, ProcessContext, RunningPart } from '../platform/index.ts';
import type { TrustBundle } from '../spiffe/index.ts';
import { serviceResources, WorkloadServer } from '../workload-api/index.ts';
import type { ServiceWants } from './service-wants.ts';
import type { AgentConfig } from '../config/index.ts';

/** The agent's socket for proxies and workloads. */
export interface WorkloadApiPart extends RunningPart {
  /** Opens the socket. Throws `WorkloadApiError` `socket-in-use`, `socket-failed`. */
  start(): Promise<void>;
  /** A bundle, foreign or our own, may be another now. */
  trustChanged(): void;
  /** What proxies learn about services may be something else now. */
  servicesChanged(): void;
  /** Serves what is trusted now, if something else is served. Gives true when it was different. */
  correct(): Promise<boolean>;
  describe(): WorkloadApiDocument;
  /** Peers that the socket does not give out, or not with all of their roots. */
  warnings(): readonly WarningDocument[];
}

const MODES = { owner: 0o600, group: 0o660, everyone: 0o666 } as const;
/** The maximum number of refusals in one answer of the admin API. */
const MOST_REFUSALS = 100;

/** Serves the trust to proxies and workloads, where the config names a socket for it. */
export function createWorkloadApi(
  config: Pick<AgentConfig, 'workload_api'>,
  parts: {
    readonly own: () => TrustBundle | undefined;
    readonly foreign: () => readonly TrustBundle[];
    readonly svid: SvidSource | undefined;
    readonly wants: ServiceWants;
    readonly metrics: Metrics;
  },
  { clock, log: outer }: ProcessContext,
): WorkloadApiPart | undefined {
  if (!config.workload_api) return undefined;
  const { socket: path, access, give_own_svid: gives, max_streams: maxStreams } = config.workload_api;
  const { own, foreign, svid, wants, metrics } = parts;
  const log = outer.with({ part: 'workload-api' });
  let services = serviceResources({ imports: [], access: [] }, config.workload_api.outbound_listen);
  const readServices = async () => {
    const [imports, policies = []] = await Promise.all([wants.imports(), wants.access()]);
    const known = { imports, access: policies.map(({ policy }) => policy) };
    services = serviceResources(known, config.workload_api?.outbound_listen);
  };
  const server = new WorkloadServer({
    own,
    services: () => services,
    foreign,
    ...(gives && svid ? { svid } : {}),
    maxStreams,
    clock,
    log,
    metrics,
  });
  return {
    start: async () => {
      await readServices();
      await server.start(path, MODES[access]);
      log.info('workload API and SDS served', { socket: path, gives_svid: gives });
    },
    correct: () => server.correct(),
    trustChanged: () => {
      server
        .refresh()
        .catch((error: unknown) => log.error('proxies were not notified of new trust', { error }));
    },
    servicesChanged: () => {
      readServices().then(
        () => server.servicesChanged(),
        (error: unknown) => log.error('new services did not reach the proxies', { error }),
      );
    },
    describe: () => {
      const { sdsStreams, proxySecrets, workloadStreams } = server.serving();
      const refusals = proxySecrets.filter(({ refused }) => refused !== undefined);
      return {
        socket: path,
        proxies: sdsStreams,
        secrets: proxySecrets.length,
        secrets_current: proxySecrets.filter(({ current }) => current).length,
        refused: refusals
          .slice(0, MOST_REFUSALS)
          .map(({ proxy, secret, refused = '' }) => ({ proxy, secret, reason: refused })),
        workload_streams: Object.values(workloadStreams).reduce((sum, count) => sum + count, 0),
      };
    },
    warnings: () =>
      server.serving().unserved.map((each) => unservedWarning('the socket for workloads', each)),
    stop: () => server.stop(),
  };
}
