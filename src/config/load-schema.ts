/**
 * The schema of the config file of each process, loaded when it is asked for. Because a schema takes
 * memory, and a process needs its own only.
 */
export const loadSchema = {
  agent: async () => (await import('./agent-config.ts')).agentConfigSchema,
  gateway: async () => (await import('./gateway-config.ts')).gatewayConfigSchema,
  sidecar: async () => (await import('./sidecar-config.ts')).sidecarConfigSchema,
  'simulated-istio': async () => (await import('./simulate-config.ts')).simulatedIstioConfigSchema,
  'simulated-consul': async () => (await import('./simulate-config.ts')).simulatedConsulConfigSchema,
  weather: async () => (await import('./simulate-config.ts')).weatherConfigSchema,
};
