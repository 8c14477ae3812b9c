/** Values and members that may be missing or of any form. */
export { defined } from './defined.ts';
export { given } from './given.ts';
export { isMapping } from './is-mapping.ts';
