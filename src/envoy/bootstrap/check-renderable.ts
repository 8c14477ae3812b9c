import { ConfigError, type SidecarConfig } from '../../config/index.ts';

/**
 * Refuses a sidecar config with something that the rendered Envoy would not do. Because a rule that
 * is silently left out weakens what the operator asked for. Throws `ConfigError` with every element.
 */
export function checkRenderable(config: SidecarConfig, file: string): void {
  const mistakes = config.outbound.flatMap(({ endpoints }, index) =>
    endpoints.length === 1
      ? []
      : [
          {
            path: `outbound[${index}].endpoints`,
            message: 'an Envoy of ours calls one endpoint for each listener; give each its own "outbound"',
          },
        ],
  );
  if (mistakes.length > 0)
    throw new ConfigError('config-invalid', `the config ${file} is none for an Envoy`, mistakes);
}
