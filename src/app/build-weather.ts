import {
  startBackend,
  startFrontend,
  startInfo,
  type WeatherService,
} from '../demonstration/weather/index.ts';
import type { LoadedConfig, WeatherConfig } from '../config/index.ts';
import { Parts, type ProcessContext } from '../platform/index.ts';

/** Builds the workload that the config names; its start rejects with `WeatherError`. */
export async function buildWeather(
  { config }: LoadedConfig<WeatherConfig>,
  { clock, log }: ProcessContext,
): Promise<Parts> {
  const { listen, role } = config;
  let service: WeatherService | undefined;
  return new Parts(
    [
      {
        name: role,
        start: async () => {
          service = await startRole(config);
          log.info('workload listens', { role, host: listen.host, url: service.url });
        },
        stop: () => service?.stop(),
      },
    ],
    { clock, log },
  );
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
