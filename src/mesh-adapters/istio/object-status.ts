import { fieldsOf, listOf, textOf } from '../contract/fields.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { PropagationState } from '../contract/propagation-state.ts';
import type { KubernetesObject } from '../kubernetes/kubernetes-object.ts';

/**
 * What istiod says about objects in their status, where it writes one (`PILOT_ENABLE_STATUS`):
 * `accepted` once every proxy has the objects, `refused` for an error of its analysis, and `written`
 * without a status. Pure.
 */
export function istiodState(objects: readonly KubernetesObject[]): {
  readonly state: Extract<PropagationState, 'written' | 'accepted' | 'refused'>;
  readonly fault?: ServiceFault;
} {
  for (const object of objects) {
    const { validationMessages } = fieldsOf(object['status']);
    const error = listOf(validationMessages).find(({ level }) => level === 'ERROR' || level === 3);
    if (error) {
      const { code, name } = fieldsOf(error['type']);
      const what = `${textOf(code)} ${textOf(name)}`.trim().slice(0, 200);
      const message = `istiod reports an error about ${textOf(object['kind'])} ${object.metadata.name}: ${what}`;
      return { state: 'refused', fault: { code: 'istiod-refused', message } };
    }
  }
  const isAccepted = objects.length > 0 && objects.every(isReconciled);
  return { state: isAccepted ? 'accepted' : 'written' };
}

/** The condition is about this version of the object. */
function isReconciled(object: KubernetesObject): boolean {
  const { conditions, observedGeneration } = fieldsOf(object['status']);
  const { generation } = object.metadata;
  // 64-bit integers are texts in one of the two.
  const isOfThis = generation === undefined || Number(observedGeneration) === Number(generation);
  if (!isOfThis) return false;
  return listOf(conditions).some(({ type, status }) => type === 'Reconciled' && status === 'True');
}
