import { resolve } from 'node:path';
import { z } from 'zod';
import {
  ConfigError,
  gatewayConfigSchema,
  readConfig,
  readRoutes,
  sidecarConfigSchema,
} from '../../config/index.ts';
import { sniGatewayBootstrap } from './gateway-bootstrap.ts';
import { checkRenderable } from './check-renderable.ts';
import { sidecarBootstrap } from './sidecar-bootstrap.ts';

/** An Envoy that takes the place of one of our processes. */
export interface RenderedEnvoy {
  readonly stands_for: 'sidecar' | 'gateway';
  readonly bootstrap: object;
}

/**
 * Renders the Envoy bootstrap for a config of `federate sidecar` or `federate gateway`; its fields
 * show which. `trustSocket` and `trustResource` are for a sidecar with another source for its trust
 * than for its SVID, such as an agent's workload socket. Throws `ConfigError`; `RouteTableError`
 * for a bad table.
 */
export async function renderEnvoy(
  configFile: string,
  trust: { readonly socket?: string; readonly resource?: string },
): Promise<RenderedEnvoy> {
  const { config: fields } = readConfig(configFile, z.looseObject({ routes_file: z.unknown().optional() }));
  if (fields.routes_file !== undefined) {
    const { config } = readConfig(configFile, gatewayConfigSchema);
    const routes = await readRoutes(config.routes_file);
    if (routes.size === 0) throw nowhere(configFile);
    return { stands_for: 'gateway', bootstrap: sniGatewayBootstrap(config, routes) };
  }
  const { config } = readConfig(configFile, sidecarConfigSchema);
  if (config.sds_socket === undefined) throw notOverSds(configFile);
  checkRenderable(config, configFile);
  const identitySocket = config.sds_socket;
  const bootstrap = sidecarBootstrap(config, {
    identitySocket,
    trustSocket: trust.socket === undefined ? identitySocket : resolve(trust.socket),
    trustResource: trust.resource ?? config.trust_resource,
  });
  return { stands_for: 'sidecar', bootstrap };
}

function nowhere(file: string): ConfigError {
  return new ConfigError('config-invalid', `the config ${file} is none for an Envoy`, [
    {
      path: 'routes_file',
      message: 'an Envoy gets its routes when its bootstrap is rendered, and this table has none',
    },
  ]);
}

function notOverSds(file: string): ConfigError {
  return new ConfigError('config-invalid', `the config ${file} is none for an Envoy`, [
    {
      path: 'workload_api',
      message:
        'an Envoy gets its SVID over SDS: name the socket as "sds_socket" (a SPIRE agent serves SDS on the same one, its trust as --trust ALL)',
    },
  ]);
}
