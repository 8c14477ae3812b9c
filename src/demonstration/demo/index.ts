/** The story of `federate demo`: real processes, real TLS, each step done and checked. */
export { createLayout, names } from './layout.ts';
export { Meshes } from './meshes.ts';
export { runDemo } from './run-demo.ts';
export type { StepRecord } from './story.ts';
export { silentWaits } from './until.ts';
