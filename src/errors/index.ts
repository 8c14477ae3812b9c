/** The base class of every room's errors. Every room and the command may import it. */
export { CodedError } from './coded-error.ts';
