import { type PlanFinding, planHint, planLifetime, type RotationTimes } from '../rotation/index.ts';
import type { AgentConfig } from './agent-config.ts';
import { ConfigError } from './config-error.ts';
import type { LoadedConfig } from './read-config.ts';

/**
 * Checks what the config alone determines about rotations: whether the lifetime of the mesh's roots
 * (where it names it), the hint and the lifetimes of identities fit together. Throws `ConfigError`
 * `config-invalid` where they cannot work.
 */
export function planOfConfig({ config, file }: LoadedConfig<AgentConfig>): readonly PlanFinding[] {
  const times = rotationTimes(config);
  const { ca_lifetime: lifetimeMs } = config.rotation;
  const findings = [...(lifetimeMs === undefined ? [] : planLifetime(lifetimeMs, times)), ...planHint(times)];
  const impossible = findings.filter(({ level }) => level === 'impossible');
  if (impossible.length === 0) return findings;
  throw new ConfigError(
    'config-invalid',
    `the config ${file} names times that cannot work together`,
    impossible.map(({ message }) => ({ path: 'rotation.ca_lifetime', message })),
  );
}

/**
 * The times of the config. Missing ones follow from the hint and from the mesh's usual behaviour.
 */
export function rotationTimes({ endpoint, mesh, rotation }: AgentConfig): RotationTimes {
  const hintMs = endpoint.refresh_hint;
  return {
    hintMs,
    leadMs: rotation.lead ?? 3 * hintMs,
    leafLifetimeMs: rotation.leaf_lifetime ?? (mesh.kind === 'consul' ? 72 : 24) * 3_600_000,
    settleMs: rotation.settle,
  };
}
