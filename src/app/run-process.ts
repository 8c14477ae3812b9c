import { startAgent } from './agent/agent.ts';
import { type ConfigKind, configSchemas } from './config/config-kinds.ts';
import { readConfig } from './config/read-config.ts';
import { runUntilSignal } from './process.ts';
import { startGateway } from './start-gateway.ts';
import { startSidecar } from './start-sidecar.ts';
import { startSimulatedConsul, startSimulatedIstio } from './start-simulated-mesh.ts';
import { startWeather } from './start-weather.ts';

/** Reads and checks one config file and starts nothing. Throws `ConfigError` with every mistake. */
export function checkConfig(kind: ConfigKind, file: string): void {
  readConfig(file, configSchemas[kind]);
}

/**
 * Runs one process until SIGTERM or SIGINT. Rejects with `ConfigError` or the coded error of the room that could not
 * start; then nothing is left running.
 */
export async function runProcess(kind: ConfigKind, file: string): Promise<void> {
  switch (kind) {
    case 'agent': {
      const loaded = readConfig(file, configSchemas.agent);
      return runUntilSignal('agent', loaded.config.log_level, (context) => startAgent(loaded, context));
    }
    case 'gateway': {
      const loaded = readConfig(file, configSchemas.gateway);
      return runUntilSignal('gateway', loaded.config.log_level, (context) => startGateway(loaded, context));
    }
    case 'sidecar': {
      const loaded = readConfig(file, configSchemas.sidecar);
      return runUntilSignal('sidecar', loaded.config.log_level, (context) => startSidecar(loaded, context));
    }
    case 'simulated-istio': {
      const loaded = readConfig(file, configSchemas['simulated-istio']);
      return runUntilSignal('simulated-istio', loaded.config.log_level, (context) =>
        startSimulatedIstio(loaded, context),
      );
    }
    case 'simulated-consul': {
      const loaded = readConfig(file, configSchemas['simulated-consul']);
      return runUntilSignal('simulated-consul', loaded.config.log_level, (context) =>
        startSimulatedConsul(loaded, context),
      );
    }
    case 'weather': {
      const loaded = readConfig(file, configSchemas.weather);
      return runUntilSignal(`weather-${loaded.config.role}`, loaded.config.log_level, (context) =>
        startWeather(loaded, context),
      );
    }
  }
}
