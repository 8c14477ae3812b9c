import { setFlagsFromString } from 'node:v8';

/**
 * Lets V8 compile hot code and enlarge the part of the heap for new objects, as it does by itself.
 * `bin/federate.js` stops both for the start of a process: code that runs once is not worth it, and
 * an idle process would keep that memory. V8 reads these flags each time, so they may change.
 */
export function tuneForLoad(): void {
  for (const flag of ['--opt', '--maglev', '--semi-space-growth-factor=2']) setFlagsFromString(flag);
}
