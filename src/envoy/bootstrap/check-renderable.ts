import { ConfigError, type ConfigMistake, type SidecarConfig } from '../../config/index.ts';

/** What a sidecar does with requests, and the rendered Envoy would not. */
const NOT_RENDERED = {
  sidecar: ['access_log', 'trace_context'],
  inbound: ['policy', 'timeouts', 'max_requests', 'rate_limit', 'health_check', 'signatures'],
  outbound: ['service', 'timeouts', 'sign', 'limits', 'outlier_detection', 'retries'],
} as const;

/**
 * Refuses a sidecar config with something that the rendered Envoy would not do. A rule that is
 * silently left out weakens what the operator asked for. Throws `ConfigError` with every element.
 */
export function checkRenderable(config: SidecarConfig, file: string): void {
  const mistakes = [
    ...present(config, NOT_RENDERED.sidecar, ''),
    ...present(config.inbound ?? {}, NOT_RENDERED.inbound, 'inbound.'),
    ...(config.inbound?.allow === 'mesh'
      ? [
          {
            path: 'inbound.allow',
            message: 'the rules of the mesh are not rendered for an Envoy: list the SPIFFE IDs that may call',
          },
        ]
      : []),
    ...config.outbound.flatMap((outbound, index) => [
      ...(outbound.endpoints.length === 1 || outbound.service !== undefined
        ? []
        : [
            {
              path: `outbound[${index}].endpoints`,
              message: 'the rendered Envoy calls one endpoint for each listener',
            },
          ]),
      ...present(outbound, NOT_RENDERED.outbound, `outbound[${index}].`),
    ]),
  ];
  if (mistakes.length > 0)
    throw new ConfigError('config-invalid', `the config ${file} is none for an Envoy`, mistakes);
}

function present<Key extends string>(
  section: { readonly [Each in Key]?: unknown },
  keys: readonly Key[],
  place: string,
): ConfigMistake[] {
  return keys
    .filter((key) => section[key] !== undefined && section[key] !== false)
    .map((key) => ({
      path: `${place}${key}`,
      message: 'is not rendered for an Envoy: leave it out, and configure that part of Envoy by hand',
    }));
}
