import { type ConfigKind, configSchemas } from './config/config-kinds.ts';
import { readConfig } from './config/read-config.ts';
import { runUntilSignal } from './process.ts';

/** Something about a good config that its writer should know. */
export interface ConfigNote {
  readonly level: string;
  readonly code: string;
  readonly message: string;
}

/** Reads and checks one config file and starts nothing. Throws `ConfigError` with every mistake. */
export function checkConfig(kind: ConfigKind, file: string): void {
  readConfig(file, configSchemas[kind]);
}

/**
 * What is not wrong with a config but should be known. Rejects with `ConfigError` as `checkConfig` throws it, and where the times it names
 * cannot work together.
 */
export async function notesOnConfig(kind: ConfigKind, file: string): Promise<readonly ConfigNote[]> {
  if (kind !== 'agent') return [];
  const { planOfConfig } = await import('./agent/rotation-plan.ts');
  return planOfConfig(readConfig(file, configSchemas.agent));
}

/**
 * Runs one process until SIGTERM or SIGINT. Only the parts of that process are loaded, so that a gateway is not as large
 * as an agent. Rejects with `ConfigError` or the coded error of the room that could not start; then nothing is left
 * running.
 */
export async function runProcess(kind: ConfigKind, file: string): Promise<void> {
  switch (kind) {
    case 'agent': {
      const loaded = readConfig(file, configSchemas.agent);
      const { startAgent } = await import('./agent/agent.ts');
      return runUntilSignal('agent', loaded.config.log_level, (context) => startAgent(loaded, context));
    }
    case 'gateway': {
      const loaded = readConfig(file, configSchemas.gateway);
      const { startGateway } = await import('./start-gateway.ts');
      return runUntilSignal('gateway', loaded.config.log_level, (context) => startGateway(loaded, context));
    }
    case 'sidecar': {
      const loaded = readConfig(file, configSchemas.sidecar);
      const { startSidecar } = await import('./start-sidecar.ts');
      return runUntilSignal('sidecar', loaded.config.log_level, (context) => startSidecar(loaded, context));
    }
    case 'simulated-istio': {
      const loaded = readConfig(file, configSchemas['simulated-istio']);
      const { startSimulatedIstio } = await import('./start-simulated-mesh.ts');
      return runUntilSignal(kind, loaded.config.log_level, (context) => startSimulatedIstio(loaded, context));
    }
    case 'simulated-consul': {
      const loaded = readConfig(file, configSchemas['simulated-consul']);
      const { startSimulatedConsul } = await import('./start-simulated-mesh.ts');
      return runUntilSignal(kind, loaded.config.log_level, (context) =>
        startSimulatedConsul(loaded, context),
      );
    }
    case 'weather': {
      const loaded = readConfig(file, configSchemas.weather);
      const { startWeather } = await import('./start-weather.ts');
      const { log_level: level, role } = loaded.config;
      return runUntilSignal(`weather-${role}`, level, (context) => startWeather(loaded, context));
    }
  }
}
