import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { endChild, processorSeconds, residentBytes } from './process.ts';

/** A process of Federate that runs until the scope ends. */
export interface LongProcess extends AsyncDisposable {
  /** Milliseconds from exec until its log line `process ready`. */
  readonly readyMs: number;
  /** Bytes of memory that it holds now. */
  residentBytes(): number;
  /** Its share of a core over these seconds from now on. */
  coreShare(seconds: number): Promise<number>;
}

/** Starts `federate` with these words. Resolves when it is ready; rejects with its log when it ends before that. */
export async function startLong(entry: string, words: readonly string[]): Promise<LongProcess> {
  const start = performance.now();
  const child = spawn(process.execPath, [entry, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  await untilReady(child);
  const readyMs = performance.now() - start;
  return {
    readyMs,
    residentBytes: () => residentBytes(child.pid),
    async coreShare(seconds) {
      const before = processorSeconds(child.pid);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      return (processorSeconds(child.pid) - before) / seconds;
    },
    [Symbol.asyncDispose]: () => endChild(child, 'SIGTERM', 10_000),
  };
}

async function untilReady({ stderr, spawnargs }: ChildProcess): Promise<void> {
  if (stderr === null) throw new TypeError('unreachable: standard error is a pipe');
  const lines: string[] = [];
  for await (const line of createInterface({ input: stderr })) {
    lines.push(line);
    if (line.includes('"process ready"')) {
      // The rest of the log goes nowhere, and must not fill the pipe.
      stderr.resume();
      return;
    }
  }
  throw new Error(`${spawnargs.slice(2).join(' ')} ended before it was ready: ${lines.slice(-3).join('\n')}`);
}
