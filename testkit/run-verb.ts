import { main } from '../src/cli/main.ts';

/** How a verb ended, and its output. */
export interface VerbEnding {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs one verb of the command to its end in this process, as `federate` runs it with both outputs
 * in files. Because a process of its own costs a third of a second, only tests of the process
 * itself start one.
 */
export async function runVerb(...words: string[]): Promise<VerbEnding> {
  const text = { out: '', err: '' };
  const code = await main(words, {
    out: (line) => (text.out += `${line}\n`),
    err: (line) => (text.err += `${line}\n`),
    environment: process.env,
  });
  return { code, ...text };
}
