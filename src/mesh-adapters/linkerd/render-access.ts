import { compilers } from '../../services/index.ts';
import { fieldsOf, textOf } from '../contract/fields.ts';
import { judgeCompilation } from '../contract/judge-compilation.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { WantedAccess } from '../contract/mesh-services.ts';
import type { OwnedObject } from '../kubernetes/owned-object.ts';
import { ACCESS_KINDS } from './service-kinds.ts';

export type RenderedAccess =
  | { readonly objects: readonly OwnedObject[]; readonly note?: ServiceFault }
  | { readonly fault: ServiceFault };

/**
 * A policy as Linkerd's own objects. A placement that would reach other workloads is refused. Pure;
 * codes `placement-unusable` and those of `judgeCompilation`.
 */
export function renderAccess({ policy, placement }: WantedAccess): RenderedAccess {
  const { id } = policy.service;
  const unusable = (why: string): RenderedAccess => ({
    fault: { code: 'placement-unusable', message: `the policy of ${id} cannot be written: ${why}` },
  });
  if (placement.namespace === '') return unusable('the namespace of its workloads is not known');
  if (Object.keys(placement.labels).length === 0)
    return unusable('no label selects its workloads, so it would count for the whole namespace');
  const compilation = compilers.linkerd(policy, placement);
  const { fault, note } = judgeCompilation(compilation);
  if (fault) return { fault };
  const leftOut = note?.code === 'rule-left-out' ? note : undefined;
  return { objects: compilation.objects.map(ownedObject), note: leftOut ?? localCallersNote(id) };
}

function ownedObject(object: object): OwnedObject {
  const { kind, metadata, spec } = fieldsOf(object);
  const { name, namespace } = fieldsOf(metadata);
  const owned = ACCESS_KINDS.find((each) => each.kind === kind);
  if (!owned) throw new TypeError(`unreachable: the compiler writes no ${textOf(kind)}`);
  return { kind: owned, namespace: textOf(namespace), name: textOf(name), fields: { spec } };
}

/** A Server of ours denies what no policy allows, and rules name SPIFFE IDs only. */
function localCallersNote(id: string): ServiceFault {
  return {
    code: 'local-callers-refused',
    message: `the Servers of ${id} deny what no policy lets in, and callers of Linkerd's own have DNS names: let them in with an AuthorizationPolicy of your own on these Servers`,
  };
}
