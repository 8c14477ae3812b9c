import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';
import type { KubernetesSource } from '../mesh-adapters/index.ts';
import { defined } from '../objects/index.ts';
import { type Environment, readRegularFileSync } from '../platform/index.ts';

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * The cluster that kubectl would use: the files of `KUBECONFIG`, else `~/.kube/config`, else the
 * service account of the pod. Of several files in `KUBECONFIG` it takes the one with the wanted
 * context, which is `context` or the first current one.
 */
export function usualKubernetes(environment: Environment, context?: string): KubernetesSource {
  const listed = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  const home = environment['HOME'];
  const usual = home === undefined ? [] : [join(home, '.kube', 'config')].filter((file) => existsSync(file));
  const files = listed.length > 0 ? listed : usual;
  const [first] = files;
  if (first === undefined) return { kind: 'in-cluster' };
  const known = files.map((file) => ({ file, ...contextsIn(file) }));
  const wanted = context ?? known.find(({ current }) => current !== undefined)?.current;
  const path = known.find(({ names }) => wanted !== undefined && names.includes(wanted))?.file ?? first;
  return { kind: 'kubeconfig', path, ...defined({ context: wanted }) };
}

/** Whether this process runs in a pod that has a service account. */
export function isInCluster(environment: Environment): boolean {
  return environment['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(SERVICE_ACCOUNT_TOKEN);
}

/** Skips a file that cannot be read: opening it reports the reason. */
function contextsIn(file: string): {
  readonly names: readonly string[];
  readonly current: string | undefined;
} {
  let value: unknown;
  try {
    value = parse(readRegularFileSync(file).toString('utf8'));
  } catch {
    return { names: [], current: undefined };
  }
  const { contexts, 'current-context': current } = Object(value) as {
    readonly contexts?: unknown;
    readonly 'current-context'?: unknown;
  };
  const entries: readonly unknown[] = Array.isArray(contexts) ? contexts : [];
  return {
    names: entries.flatMap((entry) => {
      const name: unknown = Object(entry).name;
      return typeof name === 'string' ? [name] : [];
    }),
    current: typeof current === 'string' && current !== '' ? current : undefined,
  };
}
