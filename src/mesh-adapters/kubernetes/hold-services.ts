import type { Clock } from '../../platform/index.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { ServiceReport } from '../contract/mesh-services.ts';
import { subjectFromKey, subjectKey } from '../contract/owned-subject.ts';
import type { PropagationState } from '../contract/propagation-state.ts';
import { type ReportSubject, serviceReport } from '../contract/service-report.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import type { OwnedObject, OwnerMark } from './owned-object.ts';
import type { ObjectHolder } from './owned-objects.ts';

/** What one subject should be in the cluster: objects with a note, or why there are none. */
export interface WantedObjects {
  readonly subject: ReportSubject;
  readonly objects?: readonly OwnedObject[];
  readonly fault?: ServiceFault;
  readonly note?: ServiceFault;
}

export interface HoldingOptions {
  readonly clock: Clock;
  /** How far the mesh came with the written objects of a subject; `written` by default. */
  readonly stateOf?: (objects: readonly KubernetesObject[]) => {
    readonly state: Extract<PropagationState, 'written' | 'accepted' | 'refused'>;
    readonly fault?: ServiceFault;
  };
  readonly signal: AbortSignal;
}

/**
 * Makes exactly these objects ours, and reports on each subject and on what went. The objects of a
 * subject with a fault go. Throws `MeshAdapterError` where the cluster cannot be read or written.
 */
export async function holdServices(
  held: ObjectHolder,
  wanted: readonly WantedObjects[],
  mark: OwnerMark & { readonly part: 'import' | 'access' },
  { clock, stateOf = () => ({ state: 'written' }), signal }: HoldingOptions,
): Promise<readonly ServiceReport[]> {
  const groups = wanted.flatMap(({ subject, objects, fault }) =>
    fault || !objects ? [] : [{ subject: subjectKey(subject), objects }],
  );
  const outcomes = new Map((await held.hold(groups, mark, signal)).map((each) => [each.subject, each]));
  const reports = wanted.map(({ subject, fault, note }) => {
    const outcome = outcomes.get(subjectKey(subject));
    outcomes.delete(subjectKey(subject));
    // What must not be there and stays is worse than its reason.
    if (outcome?.state === 'failed' || outcome?.state === 'refused')
      return serviceReport(subject, outcome.state, clock.now(), outcome.fault);
    if (fault) return serviceReport(subject, 'refused', clock.now(), fault);
    const seen = stateOf(outcome?.objects ?? []);
    return serviceReport(subject, seen.state, clock.now(), seen.fault ?? note);
  });
  const gone = [...outcomes.values()].flatMap(({ subject, state, fault }) => {
    const about = subjectFromKey(subject, mark.part);
    return about ? [serviceReport(about, state, clock.now(), fault)] : [];
  });
  return [...reports, ...gone];
}
