import { hasCode } from '../errors/index.ts';
import { Gateway, type RouteTable } from '../gateway/index.ts';
import {
  createMetrics,
  createMetricsServer,
  partOf,
  Parts,
  type ProcessContext,
  readRegularText,
  watchFiles,
} from '../platform/index.ts';
import { ConfigError, type GatewayConfig, type LoadedConfig, readRoutes, routesOf } from '../config/index.ts';

/** How often the route table is looked at. */
const LOOK_EVERY_MS = 1000;
/** The time to stop when nothing has to be drained. */
const STOP_MS = 3000;

/** Builds the gateway, which follows its route table. Throws `ConfigError` for a bad table. */
export async function buildGateway(
  { config }: LoadedConfig<GatewayConfig>,
  { clock, log }: ProcessContext,
): Promise<Parts> {
  const metrics = createMetrics({ processMetrics: config.metrics !== undefined });
  const file = config.routes_file;
  const gateway = new Gateway({
    routes: await routesAtStart(file, log),
    limits: {
      maxConnections: config.max_connections,
      maxConnectionsPerAddress: config.max_connections_per_address,
      helloTimeoutMs: config.client_hello_timeout,
      connectTimeoutMs: config.connect_timeout,
      idleTimeoutMs: config.idle_timeout,
    },
    clock,
    log,
    metrics,
  });
  return new Parts(
    [
      ...(config.metrics
        ? [
            partOf(
              'metrics',
              createMetricsServer(config.metrics, metrics, () =>
                gateway.listening ? undefined : 'the gateway does not listen yet',
              ),
            ),
          ]
        : []),
      {
        name: 'gateway',
        start: () => gateway.start(config.listen),
        stop: () => gateway.stop(config.drain_timeout),
        stopWithinMs: config.drain_timeout + STOP_MS,
      },
      partOf('routes', followRoutes(file, gateway, { clock, log })),
    ],
    { clock, log },
  );
}

/**
 * The routes of the file, and none where an agent has not written it yet: without a route nothing is
 * passed on. Throws `ConfigError` for a bad table.
 */
async function routesAtStart(file: string, log: ProcessContext['log']): Promise<RouteTable> {
  try {
    return await readRoutes(file);
  } catch (error) {
    if (!(error instanceof ConfigError && hasCode(error.cause, 'ENOENT'))) throw error;
    log.warn('the file with the routes is not there yet: nothing is routed until it is', { file });
    return routesOf(file, '{}');
  }
}

/** Gives the gateway the routes of the file each time they change. */
function followRoutes(
  file: string,
  gateway: Gateway,
  { clock, log }: Pick<ProcessContext, 'clock' | 'log'>,
): { start(): void; stop(): Promise<void> } {
  const stopping = new AbortController();
  let watching: Promise<void> | undefined;
  let text: string | undefined;
  const look = async () => {
    try {
      const found = await readRegularText(file);
      if (found === text) return;
      text = found;
      const routes = routesOf(file, found);
      gateway.setRoutes(routes);
      log.info('routes read', { file, routes: routes.size });
    } catch (error) {
      if (text === undefined && hasCode(error, 'ENOENT')) return;
      log.error('routes not usable, the old ones stay', { file, error });
    }
  };
  return {
    start: () => {
      watching = watchFiles({
        paths: [file],
        everyMs: LOOK_EVERY_MS,
        clock,
        signal: stopping.signal,
        look,
      });
    },
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}
