import { startBackend, startFrontend, startInfo } from '../weather/index.ts';
import type { LoadedConfig } from './config/read-config.ts';
import type { WeatherConfig } from './config/simulate-config.ts';
import type { ProcessContext, RunningPart } from './process.ts';

/** Starts the workload that the config names. Rejects with `WeatherError`. */
export async function startWeather(
  { config }: LoadedConfig<WeatherConfig>,
  { log }: ProcessContext,
): Promise<RunningPart> {
  const { listen } = config;
  const service = await startRole(config);
  log.info('workload listens', { role: config.role, host: listen.host, url: service.url });
  return service;
}

function startRole(config: WeatherConfig) {
  const { listen } = config;
  switch (config.role) {
    case 'frontend':
      return startFrontend({ listen, backendUrl: config.backend_url });
    case 'backend':
      return startBackend({ listen, infoUrl: config.info_url });
    case 'info':
      return startInfo({ listen });
  }
}
