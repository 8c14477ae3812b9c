/** The story that `federate demo` tells: real processes, real TLS, each step done and checked. */
export { type DemoOptions, runDemo } from './run-demo.ts';
export type { StepRecord } from './story.ts';
