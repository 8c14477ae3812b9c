import { isDeepStrictEqual } from 'node:util';
import {
  createJsonLog,
  type ListenAddress,
  type LogLevel,
  type Parts,
  type ProcessContext,
  tuneForLoad,
  version,
} from '../platform/index.ts';
import { type ConfigKind, type LoadedConfig, loadSchema, readConfig } from '../config/index.ts';
import { logFailedStart, type ProcessPlan, runUntilSignal } from './process.ts';

/**
 * Runs one process until SIGTERM or SIGINT. Loads only the parts of that process, so that a gateway
 * is smaller than an agent. Rejects with `ConfigError` or the coded error of the room that could
 * not start, after a log line with the same message; then nothing is left running.
 */
export async function runProcess(kind: ConfigKind, file: string): Promise<void> {
  let plan: ProcessPlan;
  try {
    plan = await planOf(kind, file);
  } catch (error) {
    logFailedStart(createJsonLog('info').with({ process: kind }), error);
    throw error;
  }
  return runUntilSignal({ ...plan, started: tuneForLoad });
}

async function planOf(kind: ConfigKind, file: string): Promise<ProcessPlan> {
  switch (kind) {
    case 'agent': {
      const schema = await loadSchema.agent();
      const loaded = readConfig(file, schema);
      const { buildAgent } = await import('../agent/index.ts');
      const { endpoint, admin_socket, metrics, workload_api } = loaded.config;
      return planFor(kind, loaded, () => readConfig(file, schema), buildAgent, {
        endpoint: placeOf(endpoint.listen),
        endpoint_url: endpoint.url.href,
        admin_socket,
        metrics: placeOf(metrics),
        workload_socket: workload_api?.socket,
      });
    }
    case 'gateway': {
      const schema = await loadSchema.gateway();
      const loaded = readConfig(file, schema);
      const { buildGateway } = await import('./build-gateway.ts');
      const { listen, metrics } = loaded.config;
      return planFor(kind, loaded, () => readConfig(file, schema), buildGateway, {
        gateway: placeOf(listen),
        metrics: placeOf(metrics),
      });
    }
    case 'sidecar': {
      const schema = await loadSchema.sidecar();
      const loaded = readConfig(file, schema);
      const { buildSidecar } = await import('./build-sidecar.ts');
      const { inbound, outbound, metrics } = loaded.config;
      return planFor(kind, loaded, () => readConfig(file, schema), buildSidecar, {
        inbound: placeOf(inbound?.listen),
        outbound: outbound.map(({ listen }) => placeOf(listen)),
        metrics: placeOf(metrics),
      });
    }
    case 'simulated-istio': {
      const schema = await loadSchema['simulated-istio']();
      const loaded = readConfig(file, schema);
      const { buildSimulatedIstio } = await import('./build-simulated-mesh.ts');
      const { kubernetes_listen, control_socket } = loaded.config;
      const again = () => readConfig(file, schema);
      return planFor(kind, loaded, again, buildSimulatedIstio, {
        kubernetes: placeOf(kubernetes_listen),
        control_socket,
      });
    }
    case 'simulated-consul': {
      const schema = await loadSchema['simulated-consul']();
      const loaded = readConfig(file, schema);
      const { buildSimulatedConsul } = await import('./build-simulated-mesh.ts');
      const { http_listen, grpc_listen, control_socket } = loaded.config;
      const again = () => readConfig(file, schema);
      return planFor(kind, loaded, again, buildSimulatedConsul, {
        http: placeOf(http_listen),
        grpc: placeOf(grpc_listen),
        control_socket,
      });
    }
    case 'weather': {
      const schema = await loadSchema.weather();
      const loaded = readConfig(file, schema);
      const { buildWeather } = await import('./build-weather.ts');
      const { role, listen } = loaded.config;
      const again = () => readConfig(file, schema);
      return planFor(`weather-${role}`, loaded, again, buildWeather, { http: placeOf(listen) });
    }
  }
}

function planFor<Config extends { readonly log_level: LogLevel }>(
  name: string,
  loaded: LoadedConfig<Config>,
  again: () => LoadedConfig<Config>,
  build: (loaded: LoadedConfig<Config>, context: ProcessContext) => Promise<Parts>,
  addresses: Readonly<Record<string, unknown>>,
): ProcessPlan {
  const { config, file } = loaded;
  return {
    name,
    logLevel: config.log_level,
    about: { version: version(), config: file, addresses },
    build: (context) => build(loaded, context),
    reread: () => {
      const now = again().config;
      return { logLevel: now.log_level, changed: changedKeys(config, now) };
    },
  };
}

/** The keys of a config with different values, without the log level. */
function changedKeys(before: object, now: object): readonly string[] {
  const [a, b] = [new Map(Object.entries(before)), new Map(Object.entries(now))];
  return [...new Set([...a.keys(), ...b.keys()])].filter(
    (key) => key !== 'log_level' && !isDeepStrictEqual(a.get(key), b.get(key)),
  );
}

function placeOf(address: ListenAddress | undefined): string | undefined {
  if (!address) return undefined;
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
