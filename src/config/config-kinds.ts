import type { z } from 'zod';
import { agentConfigSchema } from './agent-config.ts';
import { gatewayConfigSchema } from './gateway-config.ts';
import { sidecarConfigSchema } from './sidecar-config.ts';
import {
  simulatedConsulConfigSchema,
  simulatedIstioConfigSchema,
  weatherConfigSchema,
} from './simulate-config.ts';

/** Every process that has a config file, with the schema of that file. */
export const configSchemas = {
  agent: agentConfigSchema,
  gateway: gatewayConfigSchema,
  sidecar: sidecarConfigSchema,
  'simulated-istio': simulatedIstioConfigSchema,
  'simulated-consul': simulatedConsulConfigSchema,
  weather: weatherConfigSchema,
} as const satisfies Record<string, z.ZodType>;

export type ConfigKind = keyof typeof configSchemas;
