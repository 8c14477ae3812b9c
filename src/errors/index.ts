/**
 * The base class of every room's errors, and how an error reads. Every room and the command may
 * import it.
 */
export { CodedError } from './coded-error.ts';
export { hasCode, messageOf, sentenceOf } from './message.ts';
