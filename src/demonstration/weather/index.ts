/** The weather application: three plain HTTP workloads without any TLS. */
export { startBackend } from './backend.ts';
export { startFrontend } from './frontend.ts';
export type { WeatherService } from './http-service.ts';
export { startInfo } from './info.ts';
