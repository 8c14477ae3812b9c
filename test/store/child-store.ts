import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./appending-child.ts', import.meta.url));

/** A process that has the store open: it appends versions, or only holds the store. */
export function startChild(path: string, mode: 'append' | 'hold') {
  const child = spawn(process.execPath, [script, path, mode], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.setMaxListeners(0); // `printedLines` leaves one behind each time it looks
  const output = { text: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output.text += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output.errors += chunk;
  });
  return { child, output };
}

/** Resolves when the child has printed `lines` whole lines. */
export async function printedLines(
  { child, output }: ReturnType<typeof startChild>,
  lines: number,
): Promise<void> {
  while (output.text.split('\n').length <= lines) {
    if (child.exitCode !== null) throw new Error(`the child ended by itself: ${output.errors}`);
    await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
  }
}

/** Kills the child as a power cut would, and resolves when it is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'close');
  child.kill('SIGKILL');
  await gone;
}
