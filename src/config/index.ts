/** The config files of all processes: schemas, reading and checking. */
export { type AgentConfig, agentConfigSchema, type ServicesConfig } from './agent-config.ts';
export { ConfigError, type ConfigMistake } from './config-error.ts';
export { type ConfigKind, configSchemas } from './config-kinds.ts';
export type { FederationGatewayConfig } from './mesh/federation-gateway.ts';
export { type GatewayConfig, gatewayConfigSchema } from './gateway-config.ts';
export { type LoadedConfig, readConfig } from './read-config.ts';
export { loadSchema } from './load-schema.ts';
export { type SidecarConfig, sidecarConfigSchema } from './sidecar-config.ts';
export type { SimulatedConsulConfig, SimulatedIstioConfig, WeatherConfig } from './simulate-config.ts';
export type { SvidConfig } from './svid-config.ts';
export { checkConfigWithFiles, type ConfigNote } from './check-config.ts';
export { commentedConfig, type ConfigSection } from './commented-config.ts';
export { readRoutes, routesOf } from './routes-file.ts';
export { planOfConfig, rotationTimes } from './rotation-plan.ts';
export { accessPolicySchema } from './access-policy.ts';
