/** From one YAML file to a running process: config → parts → start and stop. */
export { type ConsulToExamine, examineConsulMesh, examineIstioMesh } from './doctor.ts';
export type { Examination } from '../mesh-adapters/index.ts';
export type { ConfigKind } from './config/config-kinds.ts';
export { ConfigError, type ConfigMistake } from './config/config-error.ts';
export { renderEnvoy } from './envoy/render.ts';
export { renderFederationGateway } from './federation-gateway/render.ts';
export { renderConfigReference } from './config/reference.ts';
export { checkConfig, checkConfigWithFiles } from './config/check-config.ts';
export { runProcess } from './run-process.ts';
