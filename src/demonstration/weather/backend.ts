import type { ListenAddress } from '../../platform/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import { call, sendJson, serve, type WeatherService } from './http-service.ts';
import { type PlaceWeather, sampleWeather } from './sample-weather.ts';

/** The backend's answer: the weather, and info's remark or the reason why it is missing. */
export interface WeatherReport {
  readonly weather: readonly PlaceWeather[];
  readonly remark?: { readonly text: string; readonly caller: string };
  readonly remarkMissing?: { readonly code: string; readonly message: string };
}

/** The backend: weather from fixed sample data, with a remark from the info service. */
export function startBackend(options: {
  readonly listen: ListenAddress;
  readonly infoUrl: string;
}): Promise<WeatherService> {
  return serve(options.listen, {
    '/healthz': (_incoming, response) => sendJson(response, 200, { ok: true }),
    '/weather': async (_incoming, response) => {
      const report: WeatherReport = { weather: sampleWeather, ...(await askInfo(options.infoUrl)) };
      sendJson(response, 200, report);
    },
  });
}

async function askInfo(infoUrl: string): Promise<Omit<WeatherReport, 'weather'>> {
  try {
    const { status, body } = await call(new URL('/remarks', infoUrl).href);
    const { text, caller, code, message } = body;
    if (status === 200 && typeof text === 'string' && typeof caller === 'string')
      return { remark: { text, caller } };
    if (typeof code === 'string' && typeof message === 'string') return { remarkMissing: { code, message } };
    return {
      remarkMissing: {
        code: 'upstream-broken',
        message: `the info service answered ${status} without saying why`,
      },
    };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { remarkMissing: { code: error.code, message: error.message } };
  }
}
