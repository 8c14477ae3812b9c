import { type PlanFinding, planHint, planLifetime } from '../../federation/index.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { LoadedConfig } from '../config/read-config.ts';
import { rotationTimes } from './rotation.ts';

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
