import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { Gateway, parseRouteTable, type RouteTable } from '../gateway/index.ts';
import { createMetrics } from '../telemetry/index.ts';
import { describeError, watchFiles } from '../platform/index.ts';
import { startMetricsServer } from './metrics-server.ts';
import { resolvePath } from './config/fields.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import { ConfigError, type LoadedConfig } from './config/read-config.ts';
import type { ProcessContext, RunningPart } from './process.ts';

/** How often the route table is looked at. */
const LOOK_EVERY_MS = 1000;

/** Starts the gateway and follows its route table. Throws `ConfigError` for a bad table at the start, `GatewayError`. */
export async function startGateway(
  { config, folder }: LoadedConfig<GatewayConfig>,
  { clock, log }: ProcessContext,
): Promise<RunningPart> {
  const metrics = createMetrics({ processMetrics: true });
  const file = resolvePath(folder, config.routes_file);
  const gateway = new Gateway({
    routes: await readRoutes(file),
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
  const metricsServer = config.metrics && (await startMetricsServer(config.metrics, metrics, () => true));
  try {
    await gateway.start(config.listen);
  } catch (error) {
    await metricsServer?.stop();
    throw error;
  }
  const stopping = new AbortController();
  const watching = watchFiles({
    paths: [file],
    everyMs: LOOK_EVERY_MS,
    clock,
    signal: stopping.signal,
    onChange: async () => {
      try {
        const routes = await readRoutes(file);
        gateway.setRoutes(routes);
        log.info('routes read again', {
          file,
          routes: routes.size,
        });
      } catch (error) {
        log.error('routes not usable, the old ones stay', {
          file,
          error: describeError(error),
        });
      }
    },
  });
  return {
    stop: async () => {
      stopping.abort();
      await watching;
      await gateway.stop(config.drain_timeout);
      await metricsServer?.stop();
    },
  };
}

/** The route table of a file. Throws `ConfigError` `config-unreadable` or `config-invalid`. */
export async function readRoutes(file: string): Promise<RouteTable> {
  try {
    return parseRouteTable(parse(await readFile(file, 'utf8'), { uniqueKeys: true }));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('config-invalid', `the routes ${file} cannot be used: ${why}`, [], { cause });
  }
}
