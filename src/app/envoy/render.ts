import { resolve } from 'node:path';
import { z } from 'zod';
import { resolvePath } from '../config/fields.ts';
import { gatewayConfigSchema } from '../config/gateway-config.ts';
import { readConfig } from '../config/read-config.ts';
import { sidecarConfigSchema } from '../config/sidecar-config.ts';
import { readRoutes } from '../start-gateway.ts';
import { sniGatewayBootstrap } from './gateway-bootstrap.ts';
import { sidecarBootstrap } from './sidecar-bootstrap.ts';

/** An Envoy that takes the place of one of our processes. */
export interface RenderedEnvoy {
  readonly stands_for: 'sidecar' | 'gateway';
  readonly bootstrap: object;
}

/**
 * The Envoy bootstrap for what a config of `federate sidecar` or `federate gateway` describes; which of the two it is shows in its
 * fields. `trustSocket` and `trustResource` are for a sidecar whose trust comes from elsewhere than its SVID, such as an agent's workload
 * socket. Throws `ConfigError`; `RouteTableError` for a bad table.
 */
export async function renderEnvoy(
  configFile: string,
  trust: { readonly socket?: string; readonly resource?: string },
): Promise<RenderedEnvoy> {
  const { config: fields } = readConfig(configFile, z.looseObject({ routes_file: z.unknown().optional() }));
  if (fields.routes_file !== undefined) {
    const { config, folder } = readConfig(configFile, gatewayConfigSchema);
    const routes = await readRoutes(resolvePath(folder, config.routes_file));
    return { stands_for: 'gateway', bootstrap: sniGatewayBootstrap(config, routes) };
  }
  const { config, folder } = readConfig(configFile, sidecarConfigSchema);
  const identitySocket = resolvePath(resolve(folder), config.sds_socket);
  const bootstrap = sidecarBootstrap(config, {
    identitySocket,
    trustSocket: trust.socket === undefined ? identitySocket : resolve(trust.socket),
    trustResource: trust.resource ?? config.trust_resource,
  });
  return { stands_for: 'sidecar', bootstrap };
}
