import { setFlagsFromString } from 'node:v8';

/** Set by `bin/federate.js` where it has changed flags. */
const QUIET_START = Symbol.for('federate.quiet-start');

/**
 * Lets V8 compile hot code and enlarge the part of the heap for new objects, as it does by itself.
 * `bin/federate.js` stops both for the start of a process: code that runs once is not worth it, and
 * the process would keep that memory for minutes. Does nothing where the start changed no flags.
 * Because Node.js does not promise that flags can change at run time, that is so with each version
 * that was not tried.
 */
export function tuneForLoad(): void {
  if (Reflect.get(globalThis, QUIET_START) !== true) return;
  for (const flag of ['--opt', '--maglev', '--semi-space-growth-factor=2']) setFlagsFromString(flag);
}
