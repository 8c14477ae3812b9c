/**
 * When the next step of a rotation of our own roots is safe: judged from what peers prove to hold,
 * without effects (invariant 6).
 */
export {
  type GateVerdict,
  judgeRetire,
  judgeUse,
} from './judge-gate.ts';
export { versionOf } from './judge-readiness.ts';
export { type PlanFinding, planHint, planLifetime, planRoots } from './plan-rotation.ts';
export { judgeRootStages, judgeSigning, type Signing } from './root-stages.ts';
export type {
  OwnRoot,
  OwnVersion,
  RotationPeer,
  RotationTimes,
  RotationView,
} from './rotation-view.ts';
