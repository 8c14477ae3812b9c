import { compilers, trustDomainOfCaller } from '../../services/index.ts';
import { fieldsOf, textOf } from '../contract/fields.ts';
import { judgeCompilation } from '../contract/judge-compilation.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { WantedAccess } from '../contract/mesh-services.ts';
import { textsByKey } from './fields.ts';
import type { OwnedObject } from '../kubernetes/owned-object.ts';
import type { IstioMesh } from './own-services.ts';
import { AUTHORIZATION_POLICY } from './service-kinds.ts';

export type RenderedAccess =
  | { readonly objects: readonly OwnedObject[]; readonly note?: ServiceFault }
  | { readonly fault: ServiceFault };

/**
 * A policy as AuthorizationPolicies, the one with the deny rules first, so that an allow rule is
 * never there before a deny rule that limits it. A placement that would reach other workloads is
 * refused. Pure; codes `placement-unusable` and those of `judgeCompilation`.
 */
export function renderAccess(
  { policy, placement }: WantedAccess,
  mesh: IstioMesh,
  normalizesPaths: boolean,
): RenderedAccess {
  const { id } = policy.service;
  const unusable = (why: string): RenderedAccess => ({
    fault: { code: 'placement-unusable', message: `the policy of ${id} cannot be written: ${why}` },
  });
  if (placement.namespace === '') return unusable('the namespace of its workloads is not known');
  if (Object.keys(placement.labels).length === 0)
    return unusable('no label selects its workloads, so it would count for the whole namespace');
  if (placement.namespace === mesh.rootNamespace)
    return unusable(`in ${mesh.rootNamespace} a policy counts for workloads of every namespace`);
  const compilation = compilers.istio(policy, placement);
  const warnings = compilation.warnings.filter(
    ({ code }) => !(normalizesPaths && code === 'needs-path-normalization'),
  );
  const { fault, note = localCallersNote(policy, mesh) } = judgeCompilation({ ...compilation, warnings });
  if (fault) return { fault };
  const rank = (object: object) => (textOf(fieldsOf(fieldsOf(object)['spec'])['action']) === 'DENY' ? 0 : 1);
  const objects = compilation.objects.toSorted((a, b) => rank(a) - rank(b)).map(ownedPolicy);
  return { objects, ...(note && { note }) };
}

function ownedPolicy(object: object): OwnedObject {
  const { metadata, spec } = fieldsOf(object);
  const { name, namespace, labels } = fieldsOf(metadata);
  return {
    kind: AUTHORIZATION_POLICY,
    namespace: textOf(namespace),
    name: textOf(name),
    labels: textsByKey(labels),
    fields: { spec },
  };
}

/** Istio lets every caller in until the first ALLOW policy, so the first export can end local calls. */
function localCallersNote(
  { service, rules }: WantedAccess['policy'],
  { trustDomain }: IstioMesh,
): ServiceFault | undefined {
  const allowed = rules.some(
    ({ effect, callers }) =>
      effect === 'allow' && callers.some((caller) => trustDomainOfCaller(caller) === trustDomain),
  );
  if (allowed) return undefined;
  return {
    code: 'local-callers-refused',
    message: `no rule lets a caller of ${trustDomain} call ${service.id}, so its own mesh is refused too unless another ALLOW policy is there (federate access allow --service ${service.id} --from ${trustDomain})`,
  };
}
