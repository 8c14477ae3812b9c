import type { Clock } from '../../platform/index.ts';
import { withDeadline } from '../contract/deadline.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { configMapsOf } from './config-map.ts';
import type { KubernetesSource } from './kubernetes-access.ts';
import { KubernetesClient } from './kubernetes-client.ts';

/** The ConfigMap by which each mesh shows that it is installed in its usual namespace. */
const SIGNS = {
  istio: { namespace: 'istio-system', name: 'istio' },
  linkerd: { namespace: 'linkerd', name: 'linkerd-config' },
  kuma: { namespace: 'kuma-system', name: 'kuma-control-plane-config' },
} as const;

/** A mesh in Kubernetes that we have an adapter for. */
export type MeshInCluster = keyof typeof SIGNS;

/**
 * The meshes in the cluster, each looked for in its usual namespace. Changes nothing. Throws
 * `MeshAdapterError` where the cluster does not answer within `ms`, or does not let us read.
 */
export async function meshesInCluster(options: {
  readonly source: KubernetesSource;
  readonly ms: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<readonly MeshInCluster[]> {
  const { source, clock } = options;
  const client = new KubernetesClient({ source, clock });
  return await withDeadline({ ...options, what: 'the answer of the Kubernetes API' }, async (signal) => {
    const looks = (Object.keys(SIGNS) as MeshInCluster[]).map(async (mesh) => {
      const { namespace, name } = SIGNS[mesh];
      try {
        await client.getObject(configMapsOf(namespace), name, signal);
        return [mesh];
      } catch (error) {
        if (error instanceof MeshAdapterError && error.code === 'mesh-not-found') return [];
        throw error;
      }
    });
    return (await Promise.all(looks)).flat();
  });
}
