/** Values and members that may be missing. */
export { defined } from './defined.ts';
export { given } from './given.ts';
