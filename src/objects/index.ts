/** What every room does with plain objects. */
export { defined } from './defined.ts';
