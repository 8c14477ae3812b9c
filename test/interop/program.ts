import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { PATIENCE_MS } from '../../testkit/patience.ts';

/** A real program that a test runs; ended with the test. */
export interface RunningProgram {
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a program; what it says goes to a file, which is what one looks at when a test fails. */
export function startProgram(
  binary: string,
  words: readonly string[],
  options: { readonly logFile: string; readonly env?: Readonly<Record<string, string>> },
): RunningProgram {
  const log = openSync(options.logFile, 'a');
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env };
  const child = spawn(binary, [...words], { stdio: ['ignore', log, log], env });
  child.on('error', () => {});
  return {
    [Symbol.asyncDispose]: async () => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill();
      const slow = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await ended;
      clearTimeout(slow);
    },
  };
}

/** Waits until `look` gives something. Throws what `look` threw last after `PATIENCE_MS`. */
export async function eventually<Value>(look: () => Promise<Value> | Value): Promise<NonNullable<Value>> {
  let trouble: unknown = new Error('there was nothing to see');
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    try {
      const value = await look();
      if (value !== undefined && value !== null && value !== false) return value;
    } catch (error) {
      trouble = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw trouble;
}

/** Valid now and for a while, as everything that real programs look at must be. */
export function validNow(): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 86_400_000) };
}
