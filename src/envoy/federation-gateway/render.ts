import { parseTrustDomain } from '../../spiffe/index.ts';
import { agentConfigSchema, ConfigError, readConfig } from '../../config/index.ts';
import { gatewayBootstrap } from './bootstrap.ts';

/**
 * Renders the Envoy bootstrap of the federation gateway in an agent's config, as JSON.
 * `ownTrustDomain` is called where the config does not name it. Throws `ConfigError`,
 * `config-invalid` where the config has no gateway; what `ownTrustDomain` throws.
 */
export async function renderFederationGateway(
  configFile: string,
  ownTrustDomain: (adminSocket: string) => Promise<string>,
): Promise<{ readonly trustDomain: string; readonly bootstrap: object }> {
  const { config } = readConfig(configFile, agentConfigSchema);
  const gateway = config.mesh.kind === 'consul' ? config.mesh.federation_gateway : undefined;
  if (!gateway)
    throw new ConfigError('config-invalid', `the config ${configFile} describes no federation gateway`, [
      {
        path: 'mesh.federation_gateway',
        message:
          config.mesh.kind === 'consul'
            ? 'is missing: list the foreign identities and the Consul service of each'
            : `is for a mesh of kind consul, not ${config.mesh.kind}`,
      },
    ]);
  const trustDomain = config.trust_domain ?? parseTrustDomain(await ownTrustDomain(config.admin_socket));
  const sdsSocket = gateway.sds_socket;
  return { trustDomain, bootstrap: gatewayBootstrap({ gateway, sdsSocket, trustDomain }) };
}
