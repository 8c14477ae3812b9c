import { compilers } from '../../services/index.ts';
import { fieldsOf, listOf, textOf } from '../contract/fields.ts';
import { judgeCompilation } from '../contract/judge-compilation.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { WantedAccess } from '../contract/mesh-services.ts';
import type { OwnedObject } from '../kubernetes/owned-object.ts';
import { MESH_TRAFFIC_PERMISSION } from './service-kinds.ts';

export type RenderedAccess =
  | { readonly objects: readonly OwnedObject[]; readonly note?: ServiceFault }
  | { readonly fault: ServiceFault };

/**
 * A policy as MeshTrafficPermissions. A port without a rule gets none: Kuma denies by default, and
 * takes no permission without an entry. Pure; codes `placement-unusable` and those of
 * `judgeCompilation`.
 */
export function renderAccess(
  { policy, placement }: WantedAccess,
  place: { readonly namespace: string; readonly mesh: string } | undefined,
): RenderedAccess {
  const { id } = policy.service;
  if (Object.keys(placement.labels).length === 0)
    return {
      fault: {
        code: 'placement-unusable',
        message: `the policy of ${id} cannot be written: no label selects its Dataplanes, so it would count for the whole mesh`,
      },
    };
  const { fault, note } = judgeCompilation(compilers.kuma(policy, placement));
  if (fault) return { fault };
  const objects = compilers.kuma(policy, placement).objects.flatMap((object): OwnedObject[] => {
    const { name, spec } = fieldsOf(object);
    const isEmpty = listOf(fieldsOf(spec)['rules']).every(
      (rule) => Object.keys(fieldsOf(rule['default'])).length === 0,
    );
    if (isEmpty) return [];
    const owned = { kind: MESH_TRAFFIC_PERMISSION, name: textOf(name), fields: { spec } };
    // On Kubernetes a label names the mesh.
    return [place ? { ...owned, namespace: place.namespace, labels: { 'kuma.io/mesh': place.mesh } } : owned];
  });
  return { objects, ...(note && { note }) };
}
