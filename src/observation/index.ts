/**
 * What agents report to each other about endpoints, so that one that shows different bundles to
 * different peers is found.
 */
export { Observations } from './observations.ts';
