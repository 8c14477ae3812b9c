/** The weather application: three plain HTTP workloads without any TLS. */
export { startBackend, type WeatherReport } from './backend.ts';
export { startFrontend } from './frontend.ts';
export { WeatherError, type WeatherErrorCode, type WeatherService } from './http-service.ts';
export { startInfo } from './info.ts';
export type { PlaceWeather } from './sample-weather.ts';
