import type { Clock } from '../../platform/index.ts';
import type { KubernetesSource } from '../kubernetes/kubernetes-access.ts';
import { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { collectionOf, type KubernetesObject } from '../kubernetes/kubernetes-object.ts';
import { watchObjects } from '../kubernetes/watch-objects.ts';
import { type MeshTrust, parseMeshTrust } from './mesh-trust.ts';
import type { MeshTrusts } from './mesh-trusts.ts';

const MESH_LABEL = 'kuma.io/mesh';

/** Where the Kubernetes API of the zone is. */
export interface KumaKubernetesAccess {
  readonly kind: 'kubernetes';
  readonly kubernetes: KubernetesSource;
  /** The control plane's own namespace, the only one that MeshTrusts may be in. */
  readonly namespace: string;
}

/** The MeshTrusts of a mesh as Kubernetes objects, watched, and written by resource version. */
export function createKubernetesMeshTrusts(
  { kubernetes, namespace }: KumaKubernetesAccess,
  mesh: string,
  clock: Clock,
): MeshTrusts {
  const client = new KubernetesClient({ source: kubernetes, clock });
  const collection = collectionOf({
    kind: 'MeshTrust',
    api: 'apis/kuma.io/v1alpha1',
    plural: 'meshtrusts',
    namespace,
  });
  const selector = { labelSelector: `${MESH_LABEL}=${mesh}` };
  /** The objects that MeshTrusts were read from. */
  const objects = new WeakMap<MeshTrust, KubernetesObject>();
  const parse = (object: KubernetesObject): MeshTrust => {
    const trust = parseMeshTrust(object.metadata.name, object.metadata.labels ?? {}, {
      spec: object['spec'],
      status: object['status'],
    });
    objects.set(trust, object);
    return trust;
  };
  return {
    list: async (signal) => (await client.listObjects(collection, selector, signal)).items.map(parse),
    put: async ({ name, labels, spec }, before, signal) => {
      const held = before && objects.get(before);
      const marked = { ...held?.metadata.labels, ...labels, [MESH_LABEL]: mesh };
      if (held) {
        const metadata = { ...held.metadata, labels: marked };
        await client.replaceObject(collection, { ...held, metadata, spec }, signal);
      } else {
        const metadata = { name, namespace, labels: marked };
        const made = { apiVersion: 'kuma.io/v1alpha1', kind: 'MeshTrust', metadata, spec };
        await client.createObject(collection, made, signal);
      }
      return [];
    },
    delete: async (trust, signal) => {
      const held = objects.get(trust);
      if (held) await client.deleteObject(collection, held, signal);
    },
    follow: ({ onTrusts, ...watch }) =>
      watchObjects({
        ...watch,
        client,
        collection,
        selector,
        onObjects: (found) => onTrusts([...found.values()].map(parse)),
      }),
  };
}
