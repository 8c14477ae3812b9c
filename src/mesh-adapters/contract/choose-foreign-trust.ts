import type { TrustBundle } from '../../spiffe/index.ts';
import {
  type Admission,
  type AdmissionContext,
  heldKeys,
  judgeForeignTrust,
  type PresentKey,
  rootsToHold,
} from './admission.ts';
import { OBJECT_LIMITS, type PlacedPeer, placePeers, type Placing } from './place-peers.ts';

/** What decides in one mesh about the wanted bundles, and how they are rendered for it. */
export interface ForeignTrustRules<Rendered>
  extends Omit<AdmissionContext, 'held' | 'ownAliases'>,
    Omit<Placing<Rendered>, 'rootsToKeep' | 'limits'>,
    Partial<Pick<AdmissionContext, 'ownAliases'>>,
    Partial<Pick<Placing<Rendered>, 'rootsToKeep'>> {
  /** The keys of ours that stand in the mesh. */
  readonly present: Iterable<PresentKey>;
  /** A further rule of this mesh, which may refuse a bundle. */
  readonly judge?: (admission: Admission) => Admission;
  /** Default: those of a mesh with one object for each peer. */
  readonly limits?: Placing<Rendered>['limits'];
}

/**
 * Chooses what a mesh is given of the wanted bundles, before anything is written: judges each
 * bundle, renders it, and checks that it fits. A refused bundle adds nothing; of its roots those
 * stay that are in the mesh and still listed.
 */
export async function chooseForeignTrust<Rendered>(
  wanted: readonly TrustBundle[],
  rules: ForeignTrustRules<Rendered>,
): Promise<readonly PlacedPeer<Rendered>[]> {
  const { present, judge = (admission) => admission, ...rest } = rules;
  const held = heldKeys(present, wanted);
  const admissions = judgeForeignTrust(wanted, { ownAliases: [], ...rest, held }).map(judge);
  return await placePeers(admissions, {
    rootsToKeep: (admission) => rootsToHold(admission, held),
    limits: OBJECT_LIMITS,
    ...rest,
  });
}
